"""Answers to pages that fetch a part again: nothing is sent, or even made, that has not changed."""

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from api.dashboard.rendering import Handler, PageRoute
from api.edge import conditions
from api.store import searches
from api.store.keys import Caller

_HEADERS = {"Cache-Control": "private, no-cache"}  # kept by the browser, asked for each time


def _release() -> str:
    """Changes with the code and the templates that make the parts of pages."""
    api = Path(__file__).parents[1]
    found = hashlib.sha256()
    for folder in ("dashboard", "pictures"):
        for path in sorted((api / folder).rglob("*")):
            if path.suffix in (".py", ".html"):
                found.update(path.read_bytes())
    return found.hexdigest()[:12]


_RELEASE = _release()


class FigureRoute(APIRoute):
    """A route whose answers have the tag of their content, and are empty where it is known."""

    def get_route_handler(self) -> Handler:
        """The usual handler, whose answer is tagged."""
        return _tagging(super().get_route_handler())


class FragmentRoute(PageRoute):
    """A page route whose answers have the tag of their content, and are empty where it is known."""

    def get_route_handler(self) -> Handler:
        """The handler of pages, whose answer is tagged."""
        return _tagging(super().get_route_handler())


def _tagging(handle: Handler) -> Handler:
    async def handle_and_tag(request: Request) -> Response:
        answer = await handle(request)
        body = getattr(answer, "body", None)  # none of a stream
        if not body or answer.status_code != HTTPStatus.OK or "etag" in answer.headers:
            return answer
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        return _known(request, tag) or _with(answer, tag)

    return handle_and_tag


def of_version(
    request: Request,
    session: Session,
    caller: Caller,
    search_id: UUID,
    make: Callable[[], Response],
) -> Response:
    """A part that only a change of its search changes; made where the browser has another one."""
    tag = f'W/"{searches.version(session, caller, search_id)}-{_RELEASE}"'
    return _known(request, tag) or _with(make(), tag)


def _known(request: Request, tag: str) -> Response | None:
    """The empty answer to a browser that has the part with this tag."""
    if not conditions.is_known(request.headers, tag):
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_HEADERS | {"ETag": tag})


def _with(answer: Response, tag: str) -> Response:
    answer.headers.update(_HEADERS | {"ETag": tag})
    return answer
