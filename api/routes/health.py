"""Health of the process, for probes, and counts for Prometheus."""

from http import HTTPStatus
from typing import Any

import redis
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.edge.dependencies import CallerDep, SessionDep
from api.store import metrics
from core.errors import BlobError

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
    """Check that database and storage answer (503 if not); the broker is reported, not required."""
    parts = {
        "database": _database(request),
        "storage": _storage(request),
        "broker": _broker(request),
    }
    is_ready = parts["database"] == parts["storage"] == "ready"
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"status": "ready" if is_ready else "not ready", **parts}, status)


def _database(request: Request) -> str:
    try:
        with request.app.state.engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM searches LIMIT 1"))
    except SQLAlchemyError:
        return "not ready"
    return "ready"


def _storage(request: Request) -> str:
    try:
        request.app.state.storage.check_writable()
    except (OSError, BlobError):
        return "not ready"
    return "ready"


def _broker(request: Request) -> str:
    client = redis.Redis.from_url(
        request.app.state.settings.broker_url, socket_timeout=1, socket_connect_timeout=1
    )
    try:
        client.ping()
    except redis.RedisError:
        return "not ready"
    finally:
        client.close()
    return "ready"


@router.get("/metrics", response_class=Response)
def prometheus_metrics(_: CallerDep, session: SessionDep) -> Response:
    """Counts of searches, trials and workers in Prometheus' text format; needs an API key."""
    registry = CollectorRegistry()
    counts: dict[str, Any] = {
        "searches": metrics.searches_by_status(session),
        "trials": metrics.trials_by_status(session),
    }
    for name, by_status in counts.items():
        gauge = Gauge(f"netmorph_{name}", f"{name} by status", ["status"], registry=registry)
        for status, count in by_status.items():
            gauge.labels(status).set(count)
    workers = Gauge("netmorph_workers", "Workers seen within the last minute", registry=registry)
    workers.set(metrics.live_workers(session))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
