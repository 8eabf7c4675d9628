"""Which addresses webhooks may be sent to, however they are spelled."""

import socket

import pytest
from pydantic import ValidationError

from api.schemas.webhooks import WebhookIn
from api.webhook_addresses import is_allowed, is_allowed_host

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]
PRIVATE = ["127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
           "::1", "fd12::1", "::ffff:10.0.0.1", "::ffff:7f00:1"]  # fmt: skip
NEVER = ["0.0.0.0", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fe80::1%lo",
         "fd00:ec2::254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "224.0.0.1", "::",
         "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "ff02::1", "fec0::1",
         "2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1", "::7f00:1",
         "2001:db8::1", "::ffff:0:127.0.0.1"]  # fmt: skip
#: Other spellings of 127.0.0.1 and 169.254.169.254 that a URL or a resolver understands.
SPELLINGS = [
    "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.",
    "127%2e0%2e0%2e1", "①②⑦.0.0.1", "127。0。0。1", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]",
    "localhost", "LOCALHOST.", "a.localhost", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "0",
]  # fmt: skip


def test_only_public_addresses_are_allowed_and_private_ones_on_request() -> None:
    for addresses, usually, on_request in (
        (PUBLIC, True, True),
        (PRIVATE, False, True),
        (NEVER, False, False),
    ):
        for one in addresses:
            assert is_allowed(one, private=False) is usually, one
            assert is_allowed(one, private=True) is on_request, one


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_address_of_this_machine_is_allowed(host) -> None:
    try:
        body = WebhookIn.model_validate(
            {"name": "x", "url": f"http://{host}/hook", "events": ["trial.best"]}
        )
    except ValidationError:
        return
    assert not is_allowed_host(body.url.host or "", private=False)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "0"])
def test_what_the_resolver_makes_of_a_spelling_is_checked(host) -> None:
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)]
    assert not any(is_allowed(one, private=False) for one in found)
