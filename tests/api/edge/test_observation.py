"""Every request is measured under its route, and its log lines have its id."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from api.edge import errors, logs
from api.edge.observation import RequestObservation
from api.instruments import HTTP_REQUEST

SEARCH = UUID(int=7)


class Client:
    """Sends requests to an app that may fail."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str, headers: Any = None, method: str = "GET") -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
                return await http.request(method, path, headers=headers)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def client() -> Client:
    """An app with a route for each ending."""
    app = FastAPI()
    errors.install(app)
    app.add_middleware(RequestObservation)

    @app.get("/searches/{search_id}")
    def show(search_id: str) -> str:
        logging.getLogger("api.test").warning("looked at", extra={"trial_id": 3, "attempt": 2})
        return search_id

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret")

    return Client(app)


def count(route: str, status: str) -> float:
    """How many requests have been measured under a route."""
    samples = HTTP_REQUEST.labels(route, status).collect()[0].samples
    return next(one.value for one in samples if one.name.endswith("_count"))


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        (f"/searches/{SEARCH}", "GET /searches/{search_id}", "2xx"),
        ("/broken", "GET /broken", "5xx"),
        (f"/nothing/{SEARCH}", "other", "4xx"),
    ],
)
def test_a_request_is_measured_once_under_its_route(client, path, route, status) -> None:
    before = count(route, status)
    client.get(path)
    assert count(route, status) == before + 1


def test_a_method_that_the_route_does_not_have_makes_no_new_series(client) -> None:
    before = count("other", "4xx")
    assert client.get("/searches/1", method="BREW").status_code == 405
    assert count("other", "4xx") == before + 1


def test_a_response_names_its_request(client) -> None:
    first, second = (client.get("/searches/1").headers["X-Request-ID"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("abcd-1234", True), ("short", False), ("a" * 65, False), ("with space", False)],
)
def test_an_id_that_a_client_sends_is_kept_if_it_can_be_logged(client, sent, is_kept) -> None:
    received = client.get("/searches/1", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
    assert (received == sent) is is_kept


def test_two_ids_are_none(client) -> None:
    headers = httpx.Headers([("X-Request-ID", "first-id-1"), ("X-Request-ID", "second-id-2")])
    assert client.get("/searches/1", headers=headers).headers["X-Request-ID"] not in {
        "first-id-1",
        "second-id-2",
    }


def test_a_failure_is_logged_under_the_id_of_the_request(client, caplog) -> None:
    answer = client.get("/broken", headers={"X-Request-ID": "my-request"})
    assert answer.json()["detail"].endswith("under request my-request")
    assert "request my-request failed" in caplog.text


@pytest.fixture
def restored() -> Iterator[None]:
    """The handlers and levels of before, which the whole process shares."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_log_lines_of_a_request_have_the_ids_of_its_path(client, capsys, restored) -> None:
    logs.set_up("json", "INFO")
    client.get(f"/searches/{SEARCH}", headers={"X-Request-ID": "my-request"})
    (line,) = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    names = ("search_id", "trial_id", "attempt", "request_id")
    assert [line[name] for name in names] == [str(SEARCH), "3", "2", "my-request"]


def test_log_lines_outside_of_a_request_have_no_id(capsys, restored) -> None:
    logs.set_up("json", "INFO")
    logging.getLogger("api.test").warning("alone")
    assert "request_id" not in json.loads(capsys.readouterr().err)
