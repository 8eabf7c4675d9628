"""The application: its parts, and what starts and ends with it."""

import asyncio
import threading
from typing import Any

import pytest
from pydantic import SecretStr

from api.app import _store_first_keys, create_app
from api.roles import Role
from api.store import keys


def test_an_application_has_its_settings_limits_and_routes(app: Any, visit: Any) -> None:
    client = visit()
    document = client.get("/openapi.json").json()
    assert document["info"]["title"] == "Netmorph"
    starts = {path.split("/")[2] for path in document["paths"] if path.startswith("/v1/")}
    assert starts >= {"searches", "trials", "datasets", "workers", "worker", "keys"}
    refused = client.get("/healthz", headers={"Host": "evil.example"})
    assert refused.status_code == 400
    assert refused.headers["x-content-type-options"] == "nosniff"  # outermost, so on every answer
    limit = app.state.settings.max_upload_bytes
    large = client.post("/v1/datasets", content=b"x" * (limit + 2**20 + 1))
    assert large.status_code == 413


def test_keys_and_threads_start_and_end_with_the_application(app: Any, world: Any) -> None:
    """The keys of the settings are valid from the first request on."""
    given = {"admin_key": SecretStr("netmorph_admin"), "worker_key": SecretStr("netmorph_worker")}
    app = create_app(app.state.settings.model_copy(update=given))
    before = set(threading.enumerate())

    async def live() -> set[str]:
        async with app.router.lifespan_context(app):
            with world.sessions.begin() as session:
                secrets = [key.get_secret_value() for key in given.values()]
                callers = [keys.authenticate(session, secret) for secret in secrets]
            assert [caller and caller.role for caller in callers] == [Role.ADMIN, Role.WORKER]
            return {thread.name for thread in set(threading.enumerate()) - before}

    names = asyncio.run(live())

    assert names >= {"controller", "controller-listener", "sweeper"}
    left = {thread.name for thread in threading.enumerate()}
    assert not left & {"controller", "controller-listener", "sweeper"}


@pytest.mark.parametrize("given", [{}, {"worker_key": SecretStr("netmorph_worker")}])
def test_only_the_keys_that_the_settings_have_are_stored(app: Any, world: Any, given: Any) -> None:
    app.state.settings = app.state.settings.model_copy(update=given)
    _store_first_keys(app)
    app.state.engine.dispose()
    with world.sessions.begin() as session:
        found = [(key.id, key.name) for key in keys.listing(session)]
    assert found == ([(keys.FIRST_WORKER, "first worker")] if given else [])
