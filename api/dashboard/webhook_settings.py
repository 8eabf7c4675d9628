"""Webhooks on the dashboard: add, test and delete them, read their deliveries, send one again."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.dashboard.pages import CursorQuery
from api.dashboard.rendering import PageRoute, page
from api.dashboard.search_form import in_words
from api.dashboard.settings_page import ShownSecret, show_settings
from api.dashboard.unchanged import FragmentRoute
from api.dashboard.visitors import SenderDep, Visitor, VisitorDep
from api.db import unit_of_work
from api.edge.dependencies import SessionDep
from api.schemas.webhooks import WebhookIn
from api.settings import Settings
from api.store import webhooks
from api.store.errors import QuotaExceeded
from api.store.keys import Caller
from api.webhook_events import PING, WebhookEvent
from core.errors import InvalidInput

router = APIRouter(route_class=PageRoute)
fragments = APIRouter(route_class=FragmentRoute)

DELIVERIES = 50  # on a page of the log

Text = Annotated[str, Form(max_length=200)]
Url = Annotated[str, Form(max_length=4000)]
Events = Annotated[list[str] | None, Form(max_length=20)]


@router.get("/settings/webhooks")
@router.get("/settings/webhooks/{webhook_id}/{action}")
@router.get("/settings/webhooks/{webhook_id}/deliveries/{delivery_id}")
def webhooks_address(visitor: VisitorDep) -> RedirectResponse:
    """Redirect the addresses of the forms to the page of settings."""
    return RedirectResponse("/settings", HTTPStatus.SEE_OTHER)


@router.post("/settings/webhooks")
def add_webhook(
    request: Request, visitor: SenderDep, name: Text = "", url: Url = "", events: Events = None
) -> Response:
    """Add a webhook; the page that answers is the only one that shows its secret."""
    state = request.app.state
    settings: Settings = state.settings
    values = {"webhook_name": name, "webhook_url": url, "webhook_events": tuple(events or ())}
    try:
        body = WebhookIn.model_validate({"name": name, "url": url.strip(), "events": events or []})
        with unit_of_work(state.sessions) as session:
            made = webhooks.add(
                session,
                visitor.caller,
                body,
                most=settings.owner_webhooks,
                private=settings.webhook_private_networks,
            )
    except ValidationError as error:
        return _again(request, visitor, values, _by_field(error))
    except (InvalidInput, QuotaExceeded) as error:
        field, _, words = str(error).partition(": ")
        known = field if field == "url" else "form"
        message = words if field == "url" else str(error)
        return _again(request, visitor, values, {f"webhook-{known}": message})
    purpose = "Receivers check the signature of each delivery with it."
    shown = ShownSecret(made.name, made.secret, purpose)
    with unit_of_work(state.sessions) as session:
        return show_settings(request, visitor, session, made=shown)


def _by_field(error: ValidationError) -> dict[str, str]:
    """The first message for each field of the form."""
    messages: dict[str, str] = {}
    for one in error.errors():
        field = str(one["loc"][0])
        words = "choose at least one event" if field == "events" else in_words(one["msg"])
        messages.setdefault(f"webhook-{field}", words)
    return messages


def _again(
    request: Request, visitor: Visitor, values: dict[str, Any], errors: dict[str, str]
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    with unit_of_work(request.app.state.sessions) as session:
        return show_settings(request, visitor, session, values=values, errors=errors, status=status)


@router.get("/settings/webhooks/{webhook_id}")
def webhook_page(
    request: Request,
    webhook_id: UUID,
    visitor: VisitorDep,
    session: SessionDep,
    cursor: CursorQuery = None,
) -> HTMLResponse:
    """One webhook and its deliveries, the newest first."""
    values = _deliveries(session, visitor.caller, webhook_id, cursor or None)
    return page(request, "webhook.html", **values)


@fragments.get("/ui/webhooks/{webhook_id}/deliveries")
def deliveries_fragment(
    request: Request,
    webhook_id: UUID,
    visitor: VisitorDep,
    session: SessionDep,
    cursor: CursorQuery = None,
) -> HTMLResponse:
    """The table of deliveries."""
    values = _deliveries(session, visitor.caller, webhook_id, cursor or None)
    return page(request, "_deliveries.html", **values)


@router.post("/settings/webhooks/{webhook_id}/{action}")
def change_webhook(
    request: Request, webhook_id: UUID, action: Literal["test", "delete"], visitor: SenderDep
) -> Response:
    """Send a test event to a webhook, then show the deliveries; or delete it."""
    state = request.app.state
    with unit_of_work(state.sessions, state.controller.wake) as session:
        if action == "delete":
            webhooks.remove(session, visitor.caller, webhook_id)
            return RedirectResponse("/settings", HTTPStatus.SEE_OTHER)
        webhooks.ping(session, visitor.caller, webhook_id)
    return _to_log(webhook_id)


@router.post("/settings/webhooks/{webhook_id}/deliveries/{delivery_id}")
def redeliver(
    request: Request, webhook_id: UUID, delivery_id: UUID, visitor: SenderDep
) -> Response:
    """Send a delivery again, then show the deliveries."""
    state = request.app.state
    with unit_of_work(state.sessions, state.controller.wake) as session:
        webhooks.redeliver(session, visitor.caller, webhook_id, delivery_id)
    return _to_log(webhook_id)


def _to_log(webhook_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"/settings/webhooks/{webhook_id}", HTTPStatus.SEE_OTHER)


def _deliveries(
    session: Session, caller: Caller, webhook_id: UUID, cursor: str | None
) -> dict[str, Any]:
    """A webhook and a page of its deliveries."""
    listed = webhooks.deliveries(session, caller, webhook_id, limit=DELIVERIES, cursor=cursor)
    return {
        "webhook": webhooks.get(session, caller, webhook_id),
        "deliveries": listed.items,
        "cursor": cursor or "",
        "next_cursor": listed.next_cursor,
        "events": {event.value: event.meaning for event in WebhookEvent} | {PING: "a test"},
    }


router.include_router(fragments)
