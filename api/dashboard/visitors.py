"""Who is signed in: a key opens a session, whose token is in a cookie that scripts cannot read.

Changes need a form with a second token, derived from the session's, sent by one of our own pages.
"""

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from api.dashboard.rendering import Handler, PageRoute, page
from api.db import unit_of_work
from api.edge import authentication
from api.edge.authentication import USERS
from api.edge.parsing import host_in
from api.edge.uploads import checked_first
from api.store import sign_ins
from api.store.keys import Caller

router = APIRouter(route_class=PageRoute)

COOKIE = "netmorph_session"
_FORM_KEY = b"netmorph form"
_LONGEST_ADDRESS = 2000  # characters of an address to return to


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in."""

    caller: Caller
    token: str  # for forms

    @property
    def name(self) -> str:
        """The name of the key."""
        return self.caller.name


def _resolve(request: Request) -> Visitor | None:
    cookie = request.cookies.get(COOKIE, "")
    if not 0 < len(cookie) <= 200:
        return None
    with unit_of_work(request.app.state.sessions) as session:
        caller = sign_ins.resolve(session, cookie)
    if caller is None or caller.role not in USERS:
        return None
    authentication.remember(request, lambda session: sign_ins.resolve(session, cookie))
    return Visitor(caller, _form_token(cookie))


def get_visitor(request: Request) -> Visitor:
    """The person who views a page; others are led to the sign-in page and back."""
    visitor = _resolve(request)
    if visitor is None:
        if request.scope["path"].startswith("/ui/"):  # fetched by a page's script
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "your session has ended: sign in again")
        target = _page_of(request)
        location = "/sign-in" if target == "/" else f"/sign-in?next={quote(target)}"
        raise HTTPException(HTTPStatus.SEE_OTHER, "sign in", {"Location": location})
    request.state.visitor = visitor
    return visitor


def _page_of(request: Request) -> str:
    """The address of the requested page; of a form that of the page that sent it."""
    if request.method in ("GET", "HEAD"):
        path = quote(request.scope["path"])  # not of `request.url`: a wrong Host is not parsed
        query = request.scope["query_string"].decode("latin-1")
    else:
        sender = request.headers.get("referer", "")
        host = host_in(sender)
        if host is None or host != request.headers.get("host"):
            return "/"
        path, query = urlsplit(sender)[2:4]
    return f"{path}?{query}" if query and len(path) + len(query) < _LONGEST_ADDRESS else path


def get_sender(
    request: Request,
    visitor: Annotated[Visitor, Depends(get_visitor)],
    token: Annotated[str, Form(max_length=200)] = "",
) -> Visitor:
    """The person who sends a form; refused unless one of our own pages sent it."""
    check_origin(request)
    if not hmac.compare_digest(token.encode(), visitor.token.encode()):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "this form has expired: reload the page and send it again"
        )
    return visitor


VisitorDep = Annotated[Visitor, Depends(get_visitor)]
SenderDep = Annotated[Visitor, Depends(get_sender)]


class UploadRoute(PageRoute):
    """A page route that checks the visitor before it reads the body."""

    def plain_handler(self) -> Handler:
        """The usual handler, behind the check."""
        return checked_first(super().plain_handler(), lambda request: get_visitor(request).caller)


def check_origin(request: Request) -> None:
    """Refuse forms that another site's page sends."""
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    is_ours = origin is None or host_in(origin) == headers.get("host")
    if not is_ours or site not in ("same-origin", "none"):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "a page of another site sent this form: send it from our own page"
        )


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    """The form that asks for a key."""
    return page(request, "sign_in.html", next=_own(next), error="")


@router.post("/sign-in")
def sign_in(
    request: Request,
    key: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=_LONGEST_ADDRESS)] = "/",
) -> Response:
    """Open a session for a key: a new one each time, so that no earlier token stays in use."""
    check_origin(request)
    try:
        caller = authentication.authenticate(request, key.strip())
        authentication.require(caller, USERS)
    except HTTPException as error:
        return page(
            request, "sign_in.html", error.status_code, next=_own(next), error=str(error.detail)
        )
    with unit_of_work(request.app.state.sessions) as session:
        opened = open_session(request, session, caller)
    answer = RedirectResponse(_own(next), HTTPStatus.SEE_OTHER)
    opened.keep(answer)
    return answer


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session, which the browser keeps once it has its cookie."""

    visitor: Visitor
    _cookie: str
    _is_secure: bool

    def keep(self, answer: Response) -> None:
        """Give the browser the cookie of the session with this answer."""
        answer.set_cookie(
            COOKIE,
            self._cookie,
            max_age=int(sign_ins.LIFETIME.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=self._is_secure,
        )


def open_session(request: Request, session: Session, caller: Caller) -> OpenedSession:
    """Open a session for a caller whose key has been checked."""
    cookie = sign_ins.open(session, caller)
    is_secure: bool = request.app.state.settings.cookie_secure
    return OpenedSession(Visitor(caller, _form_token(cookie)), cookie, is_secure)


@router.post("/sign-out")
def sign_out(request: Request, _: SenderDep) -> Response:
    """End the session."""
    with unit_of_work(request.app.state.sessions) as session:
        sign_ins.close(session, request.cookies[COOKIE])
    answer = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE)
    return answer


def _form_token(cookie: str) -> str:
    return hmac.new(_FORM_KEY, cookie.encode(), hashlib.sha256).hexdigest()


def _own(target: str) -> str:
    """The target if it is a path on this site, else the first page."""
    is_own = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    )
    return target if is_own else "/"
