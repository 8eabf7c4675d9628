"""Every class of errors has its status; unexpected errors reveal nothing."""

import asyncio
import json
import logging
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from api.edge import errors
from api.edge.errors import MEDIA_TYPE, STATUSES, problem
from api.store.errors import Conflict, KeyReused, NotFound
from core.errors import DiskFull, InvalidDataset, MissingBlob, NetmorphError, UnknownKind

SECRET = "postgresql://user:secret@host"


def answer(error: Exception) -> httpx.Response:
    """The response of an application whose route raises the error."""
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/")

    return asyncio.run(get())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("there is no search 7"), 404),
        (MissingBlob("the blob is gone"), 404),
        (Conflict("the search is stopped"), 409),
        (KeyReused("the key belongs to another request"), 422),
        (InvalidDataset("one class"), 422),
        (UnknownKind("there is no figure 'pie'"), 422),
        (DiskFull("/tmp has no room for 7 bytes"), 507),
    ],
)
def test_errors_for_the_client_have_their_message(error: NetmorphError, status: int) -> None:
    response = answer(error)
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    assert response.json() == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(error),
    }


@pytest.mark.parametrize("kind", [OperationalError, TimeoutError, DBAPIError])
def test_while_the_database_does_not_answer_the_client_may_try_again(kind: type) -> None:
    lost = kind(SECRET) if kind is TimeoutError else kind(SECRET, None, Exception(SECRET))
    if kind is DBAPIError:
        lost.connection_invalidated = True
    response = answer(lost)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "secret" not in response.text


def test_while_storage_does_not_work_the_client_may_try_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = answer(OSError(28, f"No space left on device: {SECRET}"))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "storage does not work" in response.json()["detail"]
    assert "secret" not in response.text
    assert SECRET in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        NetmorphError(SECRET),
        DBAPIError("SELECT 1", None, Exception(SECRET)),
    ],
)
def test_other_errors_have_an_id_for_the_log_and_no_detail(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = answer(error)
    request_id = response.json()["detail"].rpartition(" ")[2]
    assert response.status_code == 500
    assert "secret" not in response.text
    assert f"request {request_id} failed" in caplog.text
    assert SECRET in caplog.text


def test_every_error_of_ours_has_a_status() -> None:
    def kinds(kind: type[NetmorphError]) -> list[type[NetmorphError]]:
        return [kind, *(more for child in kind.__subclasses__() for more in kinds(child))]

    for kind in kinds(NetmorphError):
        assert any(issubclass(kind, known) for known, _ in STATUSES)


def test_a_problem_names_its_fields_where_there_are_any() -> None:
    wrong = [{"field": "budget", "message": "missing"}]
    body = json.loads(bytes(problem(422, "budget: missing", errors=wrong).body))
    assert body["errors"] == wrong
    assert "errors" not in json.loads(bytes(problem(404, "none").body))
