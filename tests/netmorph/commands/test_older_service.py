"""The commands on a service of the version before, which refuses newer fields."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import create_model

from api.edge.errors import answer
from api.schemas.new_searches import SearchIn
from netmorph.embedded import free_port
from tests.netmorph import samples
from tests.netmorph.commands.conftest import refused
from tests.netmorph.conftest import _called
from tests.waiting import wait_for

SEARCH_ID = "0190d1c5-0000-7000-8000-000000000001"


def older_body(*unknown: str) -> Any:
    """The body of `POST /v1/searches` of a version that does not know these fields yet."""
    known = {name: one for name, one in SearchIn.model_fields.items() if name not in unknown}
    fields: Any = {name: (one.annotation, one) for name, one in known.items()}
    return create_model("OlderSearchIn", __config__=SearchIn.model_config, **fields)


def older_service(body_of: Any, bodies: list[dict[str, Any]]) -> FastAPI:
    """The routes that a clone needs; `bodies` gets the body of each search that is created."""
    app = FastAPI(exception_handlers={RequestValidationError: answer})

    @app.get("/v1/searches/{search_id}")
    def show(search_id: str) -> dict[str, Any]:
        return samples.SEARCH | {"id": search_id}

    @app.post("/v1/searches", status_code=201)
    def create(body: body_of) -> dict[str, Any]:
        bodies.append(body.model_dump(exclude_unset=True))
        return samples.SEARCH | {"name": body.name or "digits 1a2b3c"}

    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address at which the service answers for the time of the context."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_an_older_service_names_a_clone_itself() -> None:
    bodies: list[dict[str, Any]] = []
    with serving(older_service(older_body("name_after"), bodies)) as url:
        cloned = _called("clone", SEARCH_ID, "--seed", 7, "--url", url, "--key", "k", "--json")
    assert cloned.returncode == 0, cloned.stderr
    assert json.loads(cloned.stdout)["name"] == "digits 1a2b3c"
    assert [body["seed"] for body in bodies] == [7]


def test_another_field_that_an_older_service_does_not_know_is_an_error() -> None:
    bodies: list[dict[str, Any]] = []
    with serving(older_service(older_body("name_after", "priority"), bodies)) as url:
        ended = _called("clone", SEARCH_ID, "--priority", "low", "--url", url, "--key", "k")
    assert "priority" in refused(ended)
    assert bodies == []
