"""Answers to those who have a part of a page, or a file: nothing is sent that has not changed.

A part of a search has the search's version as its tag, so that it is not even made again.
"""

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
    """Changes with the code and the templates that make the parts of pages, and reports."""
    root = Path(__file__).parents[2]
    found = hashlib.sha256()
    for folder in ("api", "netmorph"):
        for path in sorted((root / folder).rglob("*")):
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
        return of_content(request, answer)

    return handle_and_tag


def of_content(request: Request, answer: Response) -> Response:
    """An answer with the tag of its content; an empty one where the browser has it."""
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    return _known(request, tag) or _with(answer, tag)


def of_version(
    request: Request,
    session: Session,
    caller: Caller,
    search_id: UUID,
    make: Callable[[], Response],
    beside: object = None,
) -> Response:
    """A part that only a change of its search changes; made where the browser has another one.

    `beside` is what it shows that is not of the search.
    """
    version = searches.version(session, caller, search_id)
    other = "" if beside is None else f"-{hashlib.sha256(repr(beside).encode()).hexdigest()[:12]}"
    tag = f'W/"{version}-{_RELEASE}{other}"'
    return _known(request, tag) or _with(make(), tag)


def _known(request: Request, tag: str) -> Response | None:
    """The empty answer to a browser that has the part with this tag; 412 for another wanted one."""
    conditions.require_match(request.headers, tag)
    if not conditions.is_known(request.headers, tag):
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_HEADERS | {"ETag": tag})


def _with(answer: Response, tag: str) -> Response:
    answer.headers.update(_HEADERS | {"ETag": tag})
    return answer
