"""Health of the process, for probes, and counts for Prometheus."""

from http import HTTPStatus

import redis
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.edge.dependencies import CallerDep, SessionDep
from api.store.metrics import MetricsPage
from core.errors import BlobError

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """Always succeeds while the process answers."""
    return {"status": "alive"}


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
def prometheus_metrics(request: Request, _: CallerDep, session: SessionDep) -> Response:
    """Counts and durations in Prometheus' text format; needs an API key."""
    page: MetricsPage = request.app.state.metrics
    return Response(page.text(session), media_type=CONTENT_TYPE_LATEST)
