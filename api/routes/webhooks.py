"""Webhooks: events of searches, sent to an address of the user."""

from fastapi import APIRouter, Request

from api.edge.dependencies import (
    CallerDep,
    Cursor,
    DeliveryId,
    IdempotencyKey,
    Limit,
    SessionDep,
    WebhookId,
)
from api.schemas.webhooks import (
    DeliveryOut,
    DeliveryPage,
    WebhookCreated,
    WebhookIn,
    WebhookOut,
    WebhookPage,
)
from api.settings import Settings
from api.store import webhooks
from api.store.repeats import id_of_new

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post("", status_code=201)
def create_webhook(
    body: WebhookIn,
    request: Request,
    caller: CallerDep,
    session: SessionDep,
    idempotency_key: IdempotencyKey = None,
) -> WebhookCreated:
    """Have events of your searches sent to a URL. Only this response shows the secret.

    Each delivery is a POST with the headers `webhook-id`, `webhook-timestamp` and
    `webhook-signature` of Standard Webhooks. It is repeated until the URL answers 2xx, up to seven
    times within about eight hours. With an `Idempotency-Key`, the same request sent again returns
    the same webhook.
    """
    settings: Settings = request.app.state.settings
    return webhooks.add(
        session,
        caller,
        body,
        most=settings.owner_webhooks,
        private=settings.webhook_private_networks,
        webhook_id=id_of_new(caller, "webhook", idempotency_key),
    )


@router.get("")
def list_webhooks(
    caller: CallerDep, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> WebhookPage:
    """List your webhooks, without their secrets, the newest first."""
    return webhooks.listing(session, caller, limit=limit, cursor=cursor)


@router.get("/{webhook_id}")
def get_webhook(webhook_id: WebhookId, caller: CallerDep, session: SessionDep) -> WebhookOut:
    """Get a webhook, without its secret."""
    return webhooks.get(session, caller, webhook_id)


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: WebhookId, caller: CallerDep, session: SessionDep) -> None:
    """Delete a webhook with its deliveries; nothing more is sent to it."""
    webhooks.remove(session, caller, webhook_id)


@router.post("/{webhook_id}:ping", status_code=202)
def ping_webhook(webhook_id: WebhookId, caller: CallerDep, session: SessionDep) -> DeliveryOut:
    """Send a test to a webhook soon; its deliveries show what became of it."""
    return webhooks.ping(session, caller, webhook_id)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: WebhookId,
    caller: CallerDep,
    session: SessionDep,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DeliveryPage:
    """List the deliveries of a webhook in the last 30 days, the newest first."""
    return webhooks.deliveries(session, caller, webhook_id, limit=limit, cursor=cursor)


@router.post("/{webhook_id}/deliveries/{delivery_id}:redeliver", status_code=202)
def redeliver(
    webhook_id: WebhookId, delivery_id: DeliveryId, caller: CallerDep, session: SessionDep
) -> DeliveryOut:
    """Send a delivery again soon, with the same `webhook-id` and up to seven attempts."""
    return webhooks.redeliver(session, caller, webhook_id, delivery_id)
