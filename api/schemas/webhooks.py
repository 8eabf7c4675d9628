"""Webhooks, and the events that are sent to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, HttpUrl

from api.schemas.bodies import In, Out
from api.schemas.fields import CreatedAt, EndedAt, NextCursor
from api.schemas.texts import Name
from api.webhook_events import DeliveryStatus, WebhookEvent


class WebhookIn(In):
    """An address to which events of your searches are to be sent."""

    name: Name = Field(description="name of the webhook")
    url: HttpUrl = Field(
        description="address `https://…`; a private one is refused unless the service allows it"
    )
    events: list[WebhookEvent] = Field(
        min_length=1, max_length=len(WebhookEvent), description="events to report"
    )


class WebhookOut(Out):
    """An address to which events of your searches are sent."""

    id: UUID = Field(description="id of the webhook")
    name: str = Field(description="its name")
    url: str = Field(description="address that events are sent to")
    events: list[str] = Field(description="events that are reported")
    created_at: CreatedAt


class WebhookCreated(WebhookOut):
    """A new webhook with its secret."""

    secret: str = Field(description="key of the signatures, `whsec_…`; shown only once")


class WebhookPage(Out):
    """One page of a list of webhooks."""

    items: list[WebhookOut] = Field(description="webhooks of this page")
    next_cursor: NextCursor


class DeliveryOut(Out):
    """One event that was sent, or is to be sent, to a webhook."""

    id: UUID = Field(
        description="id of the delivery; its `webhook-id` is `msg_` and this id without hyphens"
    )
    webhook_id: UUID = Field(description="id of the webhook")
    event: str = Field(description="one of the webhook's events, or `ping`")
    data: dict[str, Any] = Field(description="what is sent about the event")
    status: DeliveryStatus = Field(description="status of the delivery")
    attempts: int = Field(description="how many times it was sent")
    answer: int | None = Field(
        description="HTTP status of the receiver's last answer; null: it gave none"
    )
    error: str = Field(description="why the last attempt failed; or empty")
    created_at: CreatedAt
    due_at: datetime = Field(description="when its next attempt is due, while it is pending")
    ended_at: EndedAt


class DeliveryPage(Out):
    """One page of a list of deliveries."""

    items: list[DeliveryOut] = Field(description="deliveries of this page")
    next_cursor: NextCursor
