"""The application: its parts, and what starts and ends with it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from api.app import _store_first_keys, create_app
from api.roles import Role
from api.store import keys
from api.store.notifications import CHANGES

PATIENCE = 20.0  # seconds


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

    own = {"controller", "controller-listener", "sweeper", "operation", "operations"}
    assert names >= own
    assert not {thread.name for thread in threading.enumerate()} & own


class Calling(logging.Handler):
    """Calls a function at each record."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        self._call()


@pytest.fixture
def handlers() -> Iterator[list[logging.Handler]]:
    """The handlers of the application's log, which are removed after the test."""
    logger = logging.getLogger("api.app")
    yield logger.handlers
    logger.handlers.clear()


def test_an_application_whose_listener_has_crashed_ends_cleanly(
    app: Any, caplog: Any, handlers: Any
) -> None:
    """A payload that is no id crashes the listener; the log says so, and nothing else fails."""
    notify = text("SELECT pg_notify(:channel, 'not an id')").bindparams(channel=CHANGES)

    def send() -> None:
        with app.state.engine.begin() as connection:
            connection.execute(notify)

    async def live() -> None:
        crashed = asyncio.Event()
        loop = asyncio.get_running_loop()
        handlers.append(Calling(lambda: loop.call_soon_threadsafe(crashed.set)))
        async with app.router.lifespan_context(app), asyncio.timeout(PATIENCE):
            while not crashed.is_set():  # the listener may not be connected yet
                await asyncio.to_thread(send)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(crashed.wait(), 0.2)

    asyncio.run(live())

    (record,) = [record for record in caplog.records if record.name == "api.app"]
    assert "the listener for changes crashed" in record.message
    assert record.exc_info[0] is ValueError
    assert not {thread.name for thread in threading.enumerate()} & {"controller", "sweeper"}


@pytest.mark.parametrize("given", [{}, {"worker_key": SecretStr("netmorph_worker")}])
def test_only_the_keys_that_the_settings_have_are_stored(app: Any, world: Any, given: Any) -> None:
    app.state.settings = app.state.settings.model_copy(update=given)
    _store_first_keys(app)
    app.state.engine.dispose()
    with world.sessions.begin() as session:
        found = [(key.id, key.name) for key in keys.listing(session)]
    assert found == ([(keys.FIRST_WORKER, "first worker")] if given else [])
