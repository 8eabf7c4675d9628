"""Direct calls: those that are as they should be are answered without the framework."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient
from starlette.middleware.trustedhost import TrustedHostMiddleware

from api.edge import errors
from api.edge.dependencies import WorkerDep
from api.edge.direct import DirectCalls
from api.edge.headers import HEADERS
from api.edge.known_keys import KnownKeys
from api.edge.limits import JSON_BYTES, RequestLimits
from api.instruments import HTTP_REQUEST
from api.roles import Role
from api.store.errors import Conflict
from api.store.keys import Caller
from core.protocol import tracing
from core.protocol.contracts.reports import Answer, Heartbeat

KEY, TRIAL = "netmorph_" + "k" * 40, uuid4()
WORKER = Caller(uuid4(), "worker", Role.WORKER)
router = APIRouter(prefix="/v1/worker")


@router.post("/trials/{trial_id}/heartbeat", response_model=None)
async def heartbeat(
    request: Request, trial_id: UUID, body: Heartbeat, caller: WorkerDep
) -> Answer | Response | None:
    """Answers with what it got, and with errors for some steps."""
    if body.step == 404:
        raise HTTPException(404, "no such trial")
    if body.step == 409:
        raise Conflict("not now")
    if body.step == 500:
        raise ZeroDivisionError
    if body.step == 204:
        return None
    return Answer(reason=f"{trial_id} {body.step} {caller.name} {request.url.path}")


@pytest.fixture
def passed_on() -> list[str]:
    """The paths that the framework has got."""
    return []


@pytest.fixture
def http(passed_on: list[str]) -> TestClient:
    app = FastAPI()
    app.state.known_keys = KnownKeys()
    app.state.known_keys.add(KEY, WORKER)
    errors.install(app)
    app.include_router(router)

    class Noted:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            passed_on.append(scope["path"])
            await self._inner(scope, receive, send)

    app.add_middleware(Noted)
    app.add_middleware(RequestLimits, upload_bytes=1000)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])
    app.add_middleware(DirectCalls, routes=router.routes, allowed_hosts=["testserver"])
    return TestClient(
        app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {KEY}"}
    )


def beat(step: int, **changes: Any) -> dict[str, Any]:
    return {"attempt": 1, "token": str(uuid4()), "step": step, **changes}


def test_a_call_as_it_should_be_is_answered_directly(http, passed_on) -> None:
    path = f"/v1/worker/trials/{TRIAL}/heartbeat"
    answer = http.post(path, json=beat(7))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert Answer.model_validate_json(answer.content).reason == f"{TRIAL} 7 worker {path}"
    found = [http.post(path, json=beat(step)) for step in (404, 409, 204)]
    assert [one.status_code for one in found] == [404, 409, 204]
    assert [one.json()["detail"] for one in found[:2]] == ["no such trial", "not now"]
    assert found[2].content == b""
    assert passed_on == []


def test_any_other_call_takes_the_ordinary_way(http, passed_on) -> None:
    path, unknown = f"/v1/worker/trials/{TRIAL}/heartbeat", "/v1/worker/trials/7/heartbeat"
    assert http.post(path, json=beat(-1)).status_code == 422
    assert http.post(path, json=[]).status_code == 422
    assert http.post(path, content=b"").status_code == 422
    assert http.post(unknown, json=beat(1)).status_code == 422
    assert http.put(path, json=beat(1)).status_code == 405
    assert http.post("/v1/worker/else", json=beat(1)).status_code == 404
    assert passed_on == [path, path, path, unknown, path, "/v1/worker/else"]
    assert http.post(path, json=beat(1), headers={"Authorization": "Basic x"}).status_code == 401
    assert len(passed_on) == 6


def test_a_direct_answer_has_the_headers_of_every_response_and_is_measured(http, passed_on) -> None:
    def measured(status: str) -> float:
        child = HTTP_REQUEST.labels("POST /v1/worker/trials/{trial_id}/heartbeat", status)
        samples = child.collect()[0].samples
        return next(one.value for one in samples if one.name.endswith("_count"))

    path = f"/v1/worker/trials/{TRIAL}/heartbeat"
    before = {status: measured(status) for status in ("2xx", "4xx", "5xx")}
    statuses = {7: 200, 204: 204, 404: 404, 409: 409, 500: 500}
    for step, status in statuses.items():
        given = {"X-Request-ID": f"request-{step}"}
        answer = http.post(path, json=beat(step), headers=given)
        assert answer.status_code == status
        assert answer.headers.get("x-request-id", "request-500") == f"request-{step}"
        for name, value in HEADERS:
            assert answer.headers.get_list(name.decode()) == [value.decode()]
    assert "request-500" in answer.json()["detail"]
    assert {status: measured(status) - count for status, count in before.items()} == {
        "2xx": 2, "4xx": 2, "5xx": 1,
    }  # fmt: skip
    assert passed_on == []


WHOLE = json.dumps(beat(7)).encode()


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        (422, b'{"attempt": 1}', {}),
        (400, b'{"attempt": 1, "attempt": 1}', {}),
        (400, b'{"attempt": NaN}', {}),
        (422, b'{"attempt": 1e999}', {}),
        (422, b'{"attempt": "\\u0000"}', {}),
        (413, b" " * (JSON_BYTES + 1), {}),
        (415, WHOLE, {"Content-Encoding": "gzip"}),
        (400, WHOLE, {"Host": "elsewhere"}),
        (401, WHOLE, {"Authorization": "Bearer"}),
    ],
)
def test_what_is_wrong_with_a_call_is_answered_by_the_ordinary_way(
    http, status, content, headers
) -> None:
    path = f"/v1/worker/trials/{TRIAL}/heartbeat"
    given = {"Content-Type": "application/json"} | headers
    assert http.post(path, content=content, headers=given).status_code == status


@pytest.mark.parametrize(("second", "status"), [(b" ", 200), (b"}", 400)])
def test_a_body_that_comes_in_pieces_is_read_by_the_ordinary_way(http, second, status) -> None:
    path, sent = f"/v1/worker/trials/{TRIAL}/heartbeat", []
    pieces = [
        {"type": "http.request", "body": WHOLE, "more_body": True},
        {"type": "http.request", "body": second},
    ]
    headers = {
        "host": "testserver", "authorization": f"Bearer {KEY}", "content-type": "application/json",
        "content-length": str(len(WHOLE) + 1),
    }  # fmt: skip
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "scheme": "http",
        "query_string": b"", "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(http.app(scope, receive, send))
    assert sent[0]["status"] == status


def test_no_call_is_direct_while_calls_are_traced(http, passed_on, monkeypatch) -> None:
    monkeypatch.setattr(tracing, "is_on", lambda: True)
    path = f"/v1/worker/trials/{TRIAL}/heartbeat"
    assert http.post(path, json=beat(7)).status_code == 200
    assert passed_on == [path]
