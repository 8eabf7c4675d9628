"""Keys on the dashboard: a person's own, and for admins all keys; changes need the key itself.

A session alone must not create keys: an attacker who has taken a session over would keep access
after its end.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.dashboard.rendering import PageRoute
from api.dashboard.search_form import in_words
from api.dashboard.settings_page import ShownSecret, show_settings
from api.dashboard.visitors import SenderDep, Visitor, VisitorDep, open_session
from api.db import unit_of_work
from api.edge import authentication
from api.schemas.keys import KeyCreated, KeyIn
from api.store import clock, keys
from api.store.errors import Conflict

router = APIRouter(route_class=PageRoute)

Text = Annotated[str, Form(max_length=200)]


@router.get("/settings/keys")
@router.get("/settings/keys/{key_id}/{action}")
def settings_address(visitor: VisitorDep) -> RedirectResponse:
    """Redirect the addresses of the forms to the page that has them."""
    return RedirectResponse("/settings", HTTPStatus.SEE_OTHER)


@router.post("/settings/keys")
def create_key(
    request: Request,
    visitor: SenderDep,
    key: Text = "",
    name: Text = "",
    role: Text = "user",
    days: Text = "",
) -> Response:
    """Create a key; the page that answers is the only one that shows it."""
    fields = {"name": name, "role": role, "days": days}
    try:
        _confirm(request, visitor, key, admin=True)
        body = KeyIn.model_validate({"name": name, "role": role, "expires_at": _end(request, days)})
        with unit_of_work(request.app.state.sessions) as session:
            made = keys.create(session, body.name, body.role, body.expires_at)
    except ValidationError as error:
        one = error.errors()[0]
        field = {"expires_at": "days"}.get(str(one["loc"][0]), str(one["loc"][0]))
        return _again(request, visitor, fields, {field: in_words(one["msg"])})
    except _Refused as error:
        return _again(request, visitor, fields, {error.field: str(error)}, error.status)
    return _with_secret(request, visitor, made)


@router.post("/settings/keys/{key_id}/{action}")
def change_key(
    request: Request,
    key_id: UUID,
    action: Literal["rotate", "revoke"],
    visitor: SenderDep,
    key: Text = "",
) -> Response:
    """Give a key a new secret, which only the answer shows, or revoke it.

    Both end the sessions of the key; the visitor's own goes on after a rotation.
    """
    own = key_id == visitor.caller.key_id
    try:
        _confirm(request, visitor, key, admin=not own)
        with unit_of_work(request.app.state.sessions) as session:
            if action == "rotate":
                made = keys.rotate(session, key_id)
            else:
                keys.revoke(session, key_id)
    except _Refused as error:
        return _again(request, visitor, {}, {f"key-{key_id}": str(error)}, error.status)
    except Conflict as error:
        return _again(request, visitor, {}, {f"key-{key_id}": str(error)}, HTTPStatus.CONFLICT)
    if action == "revoke":
        return RedirectResponse("/sign-in" if own else "/settings", HTTPStatus.SEE_OTHER)
    return _with_secret(request, visitor, made, own=own)


class _Refused(Exception):
    """The change is refused; the message is shown beside the field."""

    def __init__(self, field: str, reason: str, status: int) -> None:
        super().__init__(reason)
        self.field, self.status = field, status


def _confirm(request: Request, visitor: Visitor, key: str, *, admin: bool) -> None:
    """Raise _Refused unless the visitor knows the key of the session and may make the change."""
    if admin and not visitor.caller.is_admin:
        raise _Refused("key", "only an admin may change other keys", HTTPStatus.FORBIDDEN)
    try:
        caller = authentication.authenticate(request, key.strip())
    except HTTPException as error:
        raise _Refused("key", str(error.detail), error.status_code) from None
    if caller.key_id != visitor.caller.key_id:
        raise _Refused("key", "this is another key: give the one you signed in with", 422)


def _end(request: Request, days: str) -> datetime | None:
    """The end of a key that is valid for this number of days; None for no end."""
    if not days.strip():
        return None
    with unit_of_work(request.app.state.sessions) as session:
        now = clock.now(session)
    try:
        end = now + timedelta(days=float(days))
    except (ValueError, OverflowError):
        raise _Refused("days", "expected a number of days, or nothing", 422) from None
    if end <= now:
        raise _Refused("days", "expected more than 0 days: such a key would be expired", 422)
    return end


def _with_secret(
    request: Request, visitor: Visitor, made: KeyCreated, *, own: bool = False
) -> Response:
    """The page with the new secret; a session goes on whose key has changed."""
    shown = ShownSecret(made.name, made.key)
    with unit_of_work(request.app.state.sessions) as session:
        if not own:
            return show_settings(request, visitor, session, made=shown)
        opened = open_session(request, session, visitor.caller)
        answer = show_settings(request, opened.visitor, session, made=shown)
    opened.keep(answer)
    return answer


def _again(
    request: Request,
    visitor: Visitor,
    fields: dict[str, str],
    errors: dict[str, str],
    status: int = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> Response:
    with unit_of_work(request.app.state.sessions) as session:
        return show_settings(request, visitor, session, values=fields, errors=errors, status=status)
