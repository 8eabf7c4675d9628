"""The commands on API keys, and how a text selects a key."""

import pytest

from netmorph.client import Client
from netmorph.commands.keys import resolve
from netmorph.commands.matching import only
from netmorph.errors import ClientError, RefusedRequest
from tests.netmorph.commands.conftest import refused

KEYS = [
    {"id": "aaaa1111", "name": "alice", "prefix": "netmorph_A1b2", "revoked_at": None},
    {"id": "aaaa2222", "name": "bob", "prefix": "netmorph_A1c3", "revoked_at": None},
    {"id": "bbbb3333", "name": "netmorph_A1b2", "prefix": "netmorph_Z9y8", "revoked_at": None},
    {"id": "dddd5555", "name": "dora", "prefix": "", "revoked_at": None},
    {"id": "cccc4444", "name": "carol", "prefix": "netmorph_Q7r6", "revoked_at": "2026-01-01"},
]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alice", "alice"),
        ("aaaa2222", "bob"),
        ("aaaa2", "bob"),
        ("netmorph_A1c3", "bob"),
        ("netmorph_A1c", "bob"),
        ("netmorph_A1c3SecretOfTheWholeKey", "bob"),
        ("netmorph_A1b2", "netmorph_A1b2"),  # an exact name has priority over a beginning
    ],
)
def test_a_key_is_found_by_name_id_or_beginning(text: str, name: str) -> None:
    assert resolve(KEYS, text)["name"] == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("carol", "no key"),  # revoked
        ("netmorph_Q7r6", "no key"),
        ("dave", "no key"),
        ("aaa", "no key"),  # too short for an id
        ("ali", "no key"),  # names are compared in full
        ("", "no key"),
        ("netmorph_", "no key"),  # every key begins with it
        ("aaaa", "2 keys"),
        ("netmorph_A1", "2 keys"),
    ],
)
def test_an_unknown_or_ambiguous_key_is_refused(text: str, number: str) -> None:
    with pytest.raises(ClientError, match=f"{number} found for '{text}'.*`netmorph key ls`"):
        resolve(KEYS, text)  # type: ignore[arg-type]


def test_a_short_beginning_is_refused_with_how_long_it_must_be() -> None:
    with pytest.raises(ClientError, match=r"no key found for 'aaa'.*at least 4 characters"):
        resolve(KEYS, "aaa")  # type: ignore[arg-type]


def test_the_beginning_of_an_id_may_have_capital_letters() -> None:
    assert resolve(KEYS, KEYS[0]["id"].upper()) == KEYS[0]  # type: ignore[arg-type]


def test_of_many_matches_the_first_are_listed() -> None:
    items = [{"id": f"aaaa{n}", "name": "box"} for n in range(5)]
    with pytest.raises(
        ClientError, match=r"5 boxes found for 'aaaa', aaaa0 \(box\), .* and 2 more;"
    ):
        only(items, "aaaa", "box", "expected one", plural="boxes")


def test_a_name_of_two_keys_selects_neither_and_lists_both() -> None:
    listed = r"2 keys found for 'alice', \S+ \(alice\), dddd5555 \(alice\); expected one"
    with pytest.raises(ClientError, match=listed):
        resolve([KEYS[0], KEYS[0] | {"id": "dddd5555"}], "alice")  # type: ignore[list-item]


def test_a_key_is_made_listed_and_revoked(ask, netmorph, service) -> None:
    made = ask("key", "create", "--name", "alice")
    alice = ("--url", service.url, "--key", made["key"])
    assert netmorph("ls", *alice).returncode == 0
    assert "alice" in [key["name"] for key in ask("key", "ls")]
    assert "admin" in refused(netmorph("key", "ls", *alice))
    ask("key", "revoke", "alice")
    assert refused(netmorph("ls", *alice))


def test_a_key_is_revoked_by_the_beginning_that_the_list_shows(ask, netmorph, service) -> None:
    made = ask("key", "create", "--name", "bob")
    beginning = next(key["prefix"] for key in ask("key", "ls") if key["name"] == "bob")
    assert made["key"].startswith(beginning)
    assert ask("key", "revoke", beginning) == {"id": made["id"], "revoked": True}
    assert "unknown or revoked" in refused(
        netmorph("ls", "--url", service.url, "--key", made["key"])
    )


def test_a_rotated_key_opens_with_its_new_secret_alone(ask, service) -> None:
    made = ask("key", "create", "--name", "rotated")
    new = ask("key", "rotate", made["key"][:16])
    assert new["id"] == made["id"]
    with Client(service.url, new["key"]) as client:
        assert list(client.searches()) == []
    with Client(service.url, made["key"]) as client, pytest.raises(RefusedRequest):
        list(client.searches())
    ask("key", "revoke", "rotated")
