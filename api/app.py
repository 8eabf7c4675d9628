"""The application: REST interface, dashboard, and the controller beside them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from sqlalchemy import Engine
from starlette.middleware.trustedhost import TrustedHostMiddleware

from api import db
from api.controller.service import Controller
from api.dashboard import dashboard_router, errors_as_pages, mount_static
from api.edge import document, errors
from api.edge.batches import WorkerBatches
from api.edge.changes import Changes
from api.edge.compression import Compression
from api.edge.direct import DirectCalls
from api.edge.head import HeadRequests
from api.edge.headers import SecurityHeaders
from api.edge.known_keys import KnownKeys
from api.edge.lanes import LEASE_THREADS, REPORT_THREADS, Lanes
from api.edge.limits import RequestLimits
from api.edge.observation import RequestObservation
from api.edge.operations import Operations
from api.edge.queries import require_known_names
from api.edge.throttle import Throttle
from api.edge.tracing import RequestTracing
from api.edge.uploads import Uploads
from api.roles import Role
from api.routes import (
    datasets,
    events,
    exports,
    figures,
    health,
    keys,
    me,
    networks,
    operations,
    queue,
    searches,
    storage,
    trials,
    webhooks,
    worker,
    workers,
)
from api.settings import Settings
from api.store.keys import FIRST_ADMIN, FIRST_WORKER, bootstrap
from api.store.metrics import MetricsPage
from core.protocol.storage import Storage

_log = logging.getLogger(__name__)

_ROUTERS = (
    searches,
    events,
    figures,
    exports,
    trials,
    datasets,
    operations,
    networks,
    webhooks,
    workers,
    queue,
    worker,
    keys,
    me,
    storage,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. Its connections and threads start and end with its lifespan."""
    settings = settings or Settings()
    app = FastAPI(
        title="Netmorph",
        summary="Neural architecture search by network morphism",
        lifespan=_lifespan,
        docs_url=None,  # our own page, which loads nothing from other sites
        redoc_url=None,
    )
    connect(app, settings, *engines(settings))
    errors.install(app, errors_as_pages)
    for module in _ROUTERS:
        app.include_router(module.router, dependencies=[Depends(require_known_names)])
    app.include_router(health.router)  # probes may add to the address what they like
    app.include_router(dashboard_router())
    mount_static(app)
    document.install(app)
    app.add_middleware(RequestLimits, upload_bytes=settings.max_upload_bytes)
    app.add_middleware(Compression)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestObservation)
    app.add_middleware(RequestTracing)
    app.add_middleware(HeadRequests)
    app.add_middleware(
        DirectCalls, routes=worker.router.routes, allowed_hosts=settings.allowed_hosts
    )
    return app


def engines(settings: Settings) -> tuple[Engine, Engine]:
    """The engines for requests and for the calls of workers; no connection is opened yet."""
    return db.connect(settings), db.connect_committing(settings, REPORT_THREADS + LEASE_THREADS)


def connect(app: FastAPI, settings: Settings, engine: Engine, worker_engine: Engine) -> None:
    """Give the application what its requests share, on these engines."""
    state = app.state
    state.settings = settings
    state.engine = engine
    state.sessions = db.sessions(state.engine)
    state.storage = Storage(settings.storage_url)
    state.controller = Controller(settings, state.engine)
    state.known_keys = KnownKeys()
    state.changes = Changes(settings.database_url, state.known_keys.forget)
    state.lanes = Lanes()
    state.worker_engine = worker_engine
    state.batches = WorkerBatches(state.lanes, worker_engine, settings, state.storage)
    state.throttle = Throttle()
    state.uploads = Uploads()
    state.operations = Operations(state.sessions)
    state.readiness = health.readiness(state.engine, state.storage, settings.broker_url)
    state.metrics = MetricsPage()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Store the first keys; run the controller, operations and the listener meanwhile."""
    await asyncio.to_thread(_store_first_keys, app)
    listener = asyncio.create_task(app.state.changes.listen())
    listener.add_done_callback(_log_crash)
    app.state.controller.start()
    app.state.operations.start()
    try:
        yield
    finally:
        listener.cancel()
        await asyncio.wait([listener])
        await asyncio.to_thread(app.state.operations.stop)
        await asyncio.to_thread(app.state.storage.remove_drafts)
        await asyncio.to_thread(app.state.controller.stop)
        app.state.lanes.close()
        app.state.engine.dispose()
        app.state.worker_engine.dispose()


def _log_crash(listener: asyncio.Task[None]) -> None:
    """Log the error that ended the listener: waiting requests still poll, and shutdown goes on."""
    if not listener.cancelled() and (error := listener.exception()) is not None:
        _log.error("the listener for changes crashed; waiting requests only poll", exc_info=error)


def _store_first_keys(app: FastAPI) -> None:
    """Store the keys of the settings, so that they are valid from the first request on."""
    settings: Settings = app.state.settings
    first = (
        (FIRST_ADMIN, "first admin", Role.ADMIN, settings.admin_key),
        (FIRST_WORKER, "first worker", Role.WORKER, settings.worker_key),
    )
    with db.unit_of_work(app.state.sessions) as session:
        for key_id, name, role, secret in first:
            raw = secret.get_secret_value()
            if raw and not bootstrap(session, key_id, name, role, raw):
                _log.warning(
                    "the key NETMORPH_%s_KEY was revoked or rotated and opens nothing: "
                    "set another one, or use the rotated one",
                    role.value.upper(),
                )
