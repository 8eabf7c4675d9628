"""The page of settings: a person's key, for admins all keys, and the webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.dashboard.pages import CursorQuery
from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import Visitor, VisitorDep
from api.edge.dependencies import SessionDep
from api.roles import Role
from api.store import clock, keys, webhooks
from api.webhook_events import WebhookEvent

router = APIRouter(route_class=PageRoute)

_ENDS = tuple(one.value for one in WebhookEvent if one is not WebhookEvent.TRIAL_BEST)
_EMPTY: dict[str, Any] = {
    "name": "", "role": Role.USER.value, "days": "",
    "webhook_name": "", "webhook_url": "", "webhook_events": _ENDS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownSecret:
    """A new secret, which one answer shows and no other."""

    name: str
    secret: str
    purpose: str = ""


@router.get("/settings")
def settings_page(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """The keys and webhooks that the visitor may change."""
    return show_settings(request, visitor, session, cursor=cursor or None)


def show_settings(
    request: Request,
    visitor: Visitor,
    session: Session,
    *,
    made: ShownSecret | None = None,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = HTTPStatus.OK,
    cursor: str | None = None,
) -> HTMLResponse:
    """The page; its forms keep their values and show their errors."""
    request.state.visitor = visitor
    everyone = keys.listing(session)
    own = next(one for one in everyone if one.id == visitor.caller.key_id)
    listed = webhooks.listing(session, visitor.caller, cursor=cursor)
    return page(
        request,
        "settings.html",
        status,
        own=own,
        others=[one for one in everyone if one.id != own.id] if visitor.caller.is_admin else [],
        roles=[role.value for role in Role],
        webhooks=listed.items,
        next_cursor=listed.next_cursor,
        events={event.value: event.meaning for event in WebhookEvent},
        made=made,
        values=_EMPTY | dict(values or {}),
        errors=errors or {},
        now=clock.now(session),
    )
