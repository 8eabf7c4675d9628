"""Every error as a problem document (RFC 9457), and the status of each class of errors.

403 for an exceeded quota, 404 for objects that do not exist or belong to somebody else, 409 for a
state that forbids the request, 413 for a body that is too large, 422 for invalid input, 503 while
the database does not answer or the process shuts down, 507 where temporary files have no room. Any
other error is a 500 with a request id and no detail; the log has the rest.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.edge.headers import protect
from api.edge.observation import request_id
from api.store.errors import Conflict, Forbidden, NotFound, QuotaExceeded
from core.errors import DiskFull, InvalidInput, MissingBlob, NetmorphError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_LONGEST_FOUND = 60  # characters of a wrong value that a message repeats

#: The status of each class of errors; the first that fits counts.
STATUSES: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (MissingBlob, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (QuotaExceeded, HTTPStatus.FORBIDDEN),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (DiskFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (NetmorphError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


def problem(
    status: int,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response with a problem document."""
    body = document(status, detail)
    if errors is not None:
        body["errors"] = errors
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def document(status: int, detail: str) -> dict[str, Any]:
    """A problem document."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": int(status), "detail": detail}


#: The statuses of problem documents that single operations answer, and when.
_SOME: dict[int, str] = {
    HTTPStatus.PRECONDITION_FAILED: "the content has another ETag than `If-Match` wants",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "the file has no byte of the range",
}


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Responses of a route for the document of the interface: problems that only some answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {int(one): {"description": _SOME[one], "content": content} for one in statuses}


#: Answers an error.
ErrorHandler = Callable[[Request, Exception], Response]


def install(app: FastAPI, shown: Callable[[ErrorHandler], ErrorHandler] | None = None) -> None:
    """Answer every error of the app with a problem document.

    `shown` makes of a handler one that shows some callers a page instead.
    """
    for kind, handler in _handlers().items():
        app.add_exception_handler(kind, shown(handler) if shown else handler)
    unexpected = shown(_unexpected) if shown else _unexpected
    # The application answers it outside of every middleware.
    app.add_exception_handler(Exception, lambda *failed: protect(unexpected(*failed)))


#: The errors of a route that `answer` can answer; any other one is a fault of the program.
ANSWERED = (NetmorphError, HTTPException, TimeoutError, DBAPIError, OSError)


def answer(request: Request, error: Exception) -> Response:
    """The answer to an error of a route."""
    handlers = _handlers()
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    return handler(request, error)


def document_of(request: Request, error: Exception) -> dict[str, Any]:
    """The problem document that a request is answered with where a route raises this error."""
    is_answered = isinstance(error, ANSWERED)
    response = answer(request, error) if is_answered else _unexpected(request, error)
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def _handlers() -> dict[type[Exception], ErrorHandler]:
    """The answer to each class of errors; the nearest class counts."""
    return {
        NetmorphError: _ours,
        RequestValidationError: _validation,
        HTTPException: http_problem,
        OperationalError: _unavailable,
        TimeoutError: _unavailable,
        DBAPIError: _database,
        OSError: _storage,
    }


def _ours(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        log.error("%s", error)
    return problem(status, str(error))


def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = _invalid_fields(error)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, validation_detail(error), errors=errors)


def validation_detail(error: RequestValidationError) -> str:
    """The first invalid field of a request, what was expected and what was found."""
    first = _invalid_fields(error)[0]
    where = f"{first['field']}: " if first["field"] else ""
    return f"{where}{first['message']}"


def _invalid_fields(error: RequestValidationError) -> list[dict[str, Any]]:
    return [
        {"field": ".".join(str(part) for part in one["loc"][1:]), "message": _message(one)}
        for one in error.errors()[:20]
    ]


def _message(one: dict[str, Any]) -> str:
    """What was expected and, if it is short, what was found."""
    found, expected = one.get("input"), str(one["msg"])
    if not isinstance(found, str | int | float) or len(text := repr(found)) > _LONGEST_FOUND:
        return expected
    return f"{expected}; found {text}"


def shutting_down() -> HTTPException:
    """The answer to a request that waits while this process shuts down: send it again."""
    return HTTPException(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the service is shutting down: try again",
        {"Retry-After": "1"},
    )


def http_problem(request: Request, error: Exception) -> Response:
    """An HTTP error of a route, or of a path or method without one, as a problem document."""
    assert isinstance(error, HTTPException)
    headers, detail = dict(error.headers or {}), error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
        detail = f"found {request.method}; this address takes {headers['Allow']}"
    elif detail == HTTPStatus.NOT_FOUND.phrase:  # Starlette's words where no route has the path
        detail = "there is nothing at this address: /docs lists the addresses of the interface"
    return problem(error.status_code, detail, headers=headers)


def _methods(request: Request) -> set[str]:
    """The methods of all routes of a path; Starlette names those of the first alone."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    routes = request.app.router.routes
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    }
    return found | ({"HEAD"} if "GET" in found else set())  # see `api.edge.head`


def _unavailable(_: Request, error: Exception) -> Response:
    """The database does not answer: the client may try again."""
    log.warning("the database does not answer: %s", error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the database does not answer at the moment: try again",
        headers={"Retry-After": "1"},
    )


def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    lost = error.connection_invalidated
    return _unavailable(request, error) if lost else _unexpected(request, error)


def _storage(_: Request, error: Exception) -> Response:
    """Storage, or the disk of this machine, does not work: the client may try again."""
    log.error("storage does not work", exc_info=error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "storage does not work at the moment: try again; if it goes on, see the log of the API",
        headers={"Retry-After": "5"},
    )


def _unexpected(_: Request, error: Exception) -> Response:
    name = request_id() or uuid.uuid4().hex  # an app without the observation has none
    log.error("request %s failed", name, exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"internal error: the log has the details under request {name}",
    )
