"""Health of the process, for probes, and counts for Prometheus."""

from functools import partial
from http import HTTPStatus
from typing import Any

import redis
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.controller.service import STUCK
from api.edge.dependencies import AdminDep, SessionDep
from api.edge.readiness import NOT_READY, READY, Readiness
from api.store.metrics import MetricsPage
from core.errors import BlobError
from core.protocol.storage import Storage

_TEXT: dict[int | str, Any] = {200: {"content": {"text/plain": {}}}}
router = APIRouter(tags=["health"])


# Not in a thread: it must answer while all threads wait for the database.
@router.get("/healthz")
async def alive(request: Request) -> JSONResponse:
    """Succeeds unless the controller is stuck (503): then restart the process.

    A database or a storage that does not answer is no reason to restart: `/readyz` reports it.
    """
    if request.app.state.controller.is_turning():
        return JSONResponse({"status": "alive"})
    return JSONResponse({"status": "the controller is stuck"}, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/readyz")
def ready(request: Request) -> JSONResponse:
    """Check that database and storage answer and the controller turns (503 if not).

    The broker is reported, not required. The controller of one API process is `deciding`, those of
    the others are `standing by`; one that is `stuck` needs a restart of its process.
    """
    parts = request.app.state.readiness.results()
    controller = request.app.state.controller.state()
    is_ready = parts["database"] == parts["storage"] == READY and controller != STUCK
    parts = parts | {"controller": controller}
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"status": READY if is_ready else NOT_READY, **parts}, status)


def readiness(engine: Engine, storage: Storage, broker_url: str) -> Readiness:
    """The checks of the parts that the service needs."""
    return Readiness(
        {
            "database": partial(_is_database_ready, engine),
            "storage": partial(_is_storage_ready, storage),
            "broker": partial(_is_broker_ready, broker_url),
        }
    )


def _is_database_ready(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM searches LIMIT 1"))
    except SQLAlchemyError:
        return False
    return True


def _is_storage_ready(storage: Storage) -> bool:
    try:
        storage.check_writable()
    except (OSError, BlobError):
        return False
    return True


def _is_broker_ready(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        return False
    finally:
        client.close()
    return True


@router.get("/metrics", response_class=Response, responses=_TEXT)
def prometheus_metrics(request: Request, _: AdminDep, session: SessionDep) -> Response:
    """Counts and durations in Prometheus' text format; needs an admin's key."""
    page: MetricsPage = request.app.state.metrics
    return Response(page.text(session), media_type=CONTENT_TYPE_LATEST)
