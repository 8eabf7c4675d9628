"""Sends deliveries over HTTP, signed as Standard Webhooks prescribes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

A name is resolved once, and the connection is made to an address that was checked: a second answer
of the name server cannot lead elsewhere. Redirects are not followed, proxies of the environment are
not used, and nothing of an answer but its status is kept, so that no answer of a machine that only
this one can reach is shown to anybody.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from http import HTTPStatus
from importlib import metadata

import httpx

from api.store.deliveries import ClaimedDelivery, DeliveryOutcome
from api.webhook_addresses import is_allowed

_CONNECT_SECONDS = 3.0  # for one address of a host
_MOST_ADDRESSES = 3  # of a host that are tried
_RESOLVERS = 16  # threads that resolve names


class AddressRefused(Exception):
    """The host has an address to which webhooks are not sent, or none."""


class WebhookSender:
    """Sends batches of deliveries."""

    def __init__(self, *, private: bool, seconds: float) -> None:
        self._private = private
        self._seconds = seconds  # for one delivery, from the name to the answer
        # Of our own: a name server that does not answer must not hold up the end of a batch.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-names")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The certificates that are trusted; reading them takes 40 ms, and few services need it."""
        return ssl.create_default_context()

    def close(self) -> None:
        """Resolve no more names."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def send(self, batch: Sequence[ClaimedDelivery]) -> list[DeliveryOutcome]:
        """Send deliveries at the same time; how each ended, in the same order."""
        return asyncio.run(self._send_all(batch))

    async def _send_all(self, batch: Sequence[ClaimedDelivery]) -> list[DeliveryOutcome]:
        return list(await asyncio.gather(*map(self._send, batch)))

    async def _send(self, delivery: ClaimedDelivery) -> DeliveryOutcome:
        try:
            async with asyncio.timeout(self._seconds):  # of all, whatever slow part comes between
                return _outcome(await self._post(delivery))
        except TimeoutError:
            return DeliveryOutcome(None, f"no answer within {self._seconds:g} s")
        except AddressRefused as error:
            return DeliveryOutcome(None, str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return DeliveryOutcome(None, str(error) or type(error).__name__)

    async def _post(self, delivery: ClaimedDelivery) -> int:
        """The status of the receiver's answer; a host has other addresses where one is away."""
        url = httpx.URL(delivery.url)
        body = body_of(delivery)
        headers = signed_headers(delivery, body)
        headers["Host"] = url.netloc.decode("ascii")
        *others, last = (await self._addresses(url))[:_MOST_ADDRESSES]
        async with httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(self._seconds, connect=_CONNECT_SECONDS),
        ) as client:
            for address in others:
                with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await _post_to(client, url, address, body, headers)
            return await _post_to(client, url, last, body, headers)

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """The addresses of the host; raises AddressRefused unless all are allowed."""
        host, port = _host(url), url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._resolvers, _resolve, host, port)
        except (OSError, UnicodeError) as error:
            raise AddressRefused(f"{host} cannot be resolved: {error}") from None
        if not all(is_allowed(one, private=self._private) for one in found):
            raise AddressRefused(
                f"{host} leads to a private or reserved address; expected a public one, or "
                "have the operator set NETMORPH_WEBHOOK_PRIVATE_NETWORKS"
            )
        return found


async def _post_to(
    client: httpx.AsyncClient, url: httpx.URL, address: str, body: bytes, headers: dict[str, str]
) -> int:
    """Send to one address, over TLS under the name of the host; the answer's body is not read."""
    async with client.stream(
        "POST",
        url.copy_with(host=address),
        content=body,
        headers=headers,
        extensions={"sni_hostname": _host(url)},
        follow_redirects=False,
    ) as answer:
        return answer.status_code


def _host(url: httpx.URL) -> str:
    """The host as it is resolved, in ASCII; `url.host` fails for names outside of IDNA 2008."""
    return url.raw_host.decode("ascii")


def _resolve(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


def body_of(delivery: ClaimedDelivery) -> bytes:
    """The body of a delivery, equal in all attempts."""
    event = {
        "type": delivery.event,
        "timestamp": delivery.created_at.isoformat(),
        "data": delivery.data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(delivery: ClaimedDelivery, body: bytes) -> dict[str, str]:
    """The headers of a delivery; the signature covers its id, the time of its claim and the body.

    The time is the database's: receivers refuse what a wrong clock of this machine would say.
    """
    now = int(delivery.claimed_at.timestamp())
    name = f"msg_{delivery.id.hex}"
    signed = f"{name}.{now}.".encode() + body
    signature = hmac.new(delivery.secret, signed, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": f"netmorph/{metadata.version('netmorph')}",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _outcome(status: int) -> DeliveryOutcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return DeliveryOutcome(status, "")
    error = f"the receiver answered {status}; expected 200 to 299"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        error += "; redirects are not followed"
    # The receiver says that the address is gone for good (Standard Webhooks).
    return DeliveryOutcome(status, error, is_final=status == HTTPStatus.GONE)
