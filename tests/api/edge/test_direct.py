"""Direct calls: those that are as they should be are answered without the framework."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from api.edge import errors
from api.edge.dependencies import WorkerDep
from api.edge.direct import DirectCalls
from api.edge.known_keys import KnownKeys
from api.edge.limits import RequestLimits
from api.roles import Role
from api.store.errors import Conflict
from api.store.keys import Caller
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
    app.add_middleware(DirectCalls, routes=router.routes)
    app.add_middleware(RequestLimits, upload_bytes=1000)
    return TestClient(app, headers={"Authorization": f"Bearer {KEY}"})


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
