"""The HTTP server: deadlines of connections, and the proxies that it believes."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.edge.server import HttpProtocol, server_options
from api.settings import Settings


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, address: str) -> Any:
    """Opens a connection to a server that waits a third of a second for a request."""
    monkeypatch.setattr(HttpProtocol, "head_seconds", 0.3)
    parts = urlsplit(address)

    def open_one() -> socket.socket:
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)

    return open_one


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_request_that_never_comes_or_never_ends_is_not_waited_for(
    connect: Any, sent: bytes
) -> None:
    with connect() as connection:
        connection.sendall(sent)
        assert connection.recv(100) == b""


def test_a_second_request_has_its_own_deadline(connect: Any) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connect() as connection:
        connection.sendall(request)
        answer = b""
        while b"alive" not in answer:
            more = connection.recv(10_000)
            assert more
            answer += more
        connection.sendall(request[:-2])
        while more := connection.recv(10_000):
            answer += more
    assert answer.count(b"HTTP/1.1") == 1


def test_the_rest_of_a_refused_body_is_not_waited_for(connect: Any) -> None:
    head = b"POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    with connect() as connection:
        connection.sendall(head)
        assert b"401 Unauthorized" in connection.recv(10_000)
        connection.sendall(b"x")  # which ends uvicorn's own time for a silent connection
        while connection.recv(10_000):
            pass


def test_an_answer_may_take_longer_than_the_head_of_its_request(
    connect: Any, world: Any, visitor: Any
) -> None:
    search = world.search(visitor.caller)
    answer = visitor.http.get(
        f"/v1/searches/{search}?wait=0.6&since=1",
        headers={"Authorization": f"Bearer {visitor.key}"},
    )
    assert answer.status_code in (200, 304)


def settings(**values: str) -> Settings:
    return Settings(database_url="postgresql://x", broker_url="x", storage_url="x", **values)


def test_proxies_are_believed_only_where_the_settings_name_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert server_options(settings())["proxy_headers"] is False
    named = server_options(settings(forwarded_allow_ips="10.0.0.0/8"))
    assert (named["proxy_headers"], named["forwarded_allow_ips"]) == (True, "10.0.0.0/8")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.1.0.1")
    assert server_options(settings())["forwarded_allow_ips"] == "10.1.0.1"
