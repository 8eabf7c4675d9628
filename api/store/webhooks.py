"""Webhooks: the addresses to which a user has events sent, and the log of their deliveries."""

import base64
import secrets
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.db import will_wake
from api.models.webhooks import Delivery, Webhook
from api.schemas.webhooks import (
    DeliveryOut,
    DeliveryPage,
    WebhookCreated,
    WebhookIn,
    WebhookOut,
    WebhookPage,
)
from api.store import pages, quotas
from api.store.errors import KeyReused
from api.store.keys import Caller
from api.store.missing import missing
from api.webhook_addresses import is_allowed_host
from api.webhook_events import PING, DeliveryStatus
from core.errors import InvalidInput

_SECRET_BYTES = 32
_PREFIX = "whsec_"  # of a secret in text (Standard Webhooks)


def add(
    session: Session,
    caller: Caller,
    body: WebhookIn,
    *,
    most: int,
    private: bool,
    webhook_id: UUID | None = None,
) -> WebhookCreated:
    """Add a webhook; the returned value is the only one that has its secret.

    A `webhook_id` that is there means that the same request comes again, as its answer was lost.

    Raises:
        InvalidInput: the URL has a user name or a fragment, or its address is not allowed.
        KeyReused: the webhook with this id was created by another request.
        QuotaExceeded: the caller has `most` webhooks.
    """
    _check_url(body, private=private)
    wanted = {"name": body.name, "url": str(body.url), "events": sorted(set(body.events))}
    webhook_id = webhook_id or uuid4()
    row = session.get(Webhook, webhook_id)
    if row is None:
        quotas.check_webhooks(session, caller, most)
        secret = secrets.token_bytes(_SECRET_BYTES)
        columns = {"id": webhook_id, "owner_id": caller.key_id, "secret": secret, **wanted}
        session.execute(insert(Webhook).values(**columns).on_conflict_do_nothing())
        row = session.get_one(Webhook, webhook_id)
    if any(getattr(row, name) != value for name, value in wanted.items()):
        raise KeyReused("the Idempotency-Key belongs to another request: use a new one")
    shown = _PREFIX + base64.b64encode(row.secret).decode()
    return WebhookCreated.of(row, secret=shown)


def _check_url(body: WebhookIn, *, private: bool) -> None:
    url = body.url
    if url.username is not None or url.password is not None or url.fragment is not None:
        raise InvalidInput("url: expected no user name, no password and no fragment (#…)")
    if not is_allowed_host(url.host or "", private=private):
        hint = "" if private else ", or have the operator set NETMORPH_WEBHOOK_PRIVATE_NETWORKS"
        raise InvalidInput(
            f"url: {url.host} is a private or reserved address; expected a public one{hint}"
        )


def listing(
    session: Session, caller: Caller, *, limit: int = 100, cursor: str | None = None
) -> WebhookPage:
    """A page of the caller's webhooks, the newest first."""
    statement = _visible(caller).order_by(Webhook.created_at.desc(), Webhook.id.desc())
    if cursor is not None:
        after = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Webhook.created_at, Webhook.id) < after)
    rows = list(session.scalars(statement.limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return WebhookPage(items=[WebhookOut.of(row) for row in items], next_cursor=following)


def get(session: Session, caller: Caller, webhook_id: UUID) -> WebhookOut:
    """One webhook; NotFound where it is not the caller's."""
    return WebhookOut.of(_row(session, caller, webhook_id))


def remove(session: Session, caller: Caller, webhook_id: UUID) -> None:
    """Delete a webhook and its deliveries; nothing more is sent to it."""
    _row(session, caller, webhook_id)
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def deliveries(
    session: Session,
    caller: Caller,
    webhook_id: UUID,
    *,
    limit: int = 100,
    cursor: str | None = None,
) -> DeliveryPage:
    """A page of the deliveries of a webhook, the newest first."""
    _row(session, caller, webhook_id)
    statement = (
        select(Delivery)
        .where(Delivery.webhook_id == webhook_id)
        .order_by(Delivery.created_at.desc(), Delivery.id.desc())
    )
    if cursor is not None:
        after = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Delivery.created_at, Delivery.id) < after)
    rows = list(session.scalars(statement.limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return DeliveryPage(items=[DeliveryOut.of(row) for row in items], next_cursor=following)


def ping(session: Session, caller: Caller, webhook_id: UUID) -> DeliveryOut:
    """Send a test to a webhook soon; while one is pending, it is that one."""
    webhook = _row(session, caller, webhook_id)
    session.refresh(webhook, with_for_update={"key_share": True})
    pending = select(Delivery).where(
        Delivery.webhook_id == webhook_id,
        Delivery.event == PING,
        Delivery.status == DeliveryStatus.PENDING,
    )
    row = session.scalars(pending.limit(1)).one_or_none()
    if row is None:
        row = Delivery(webhook_id=webhook_id, event=PING, data={"webhook": webhook.name})
        session.add(row)
        session.flush()
        session.refresh(row)
    will_wake(session)
    return DeliveryOut.of(row)


def redeliver(session: Session, caller: Caller, webhook_id: UUID, delivery_id: UUID) -> DeliveryOut:
    """Send a delivery again soon, with the same id; its attempts are counted from zero.

    An attempt in progress is not interrupted.
    """
    _row(session, caller, webhook_id)
    statement = (
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.webhook_id == webhook_id)
        .values(status=DeliveryStatus.PENDING, attempts=0, due_at=func.now(), ended_at=None)
        .returning(Delivery)
    )
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise missing("delivery", delivery_id)
    will_wake(session)
    return DeliveryOut.of(row)


def _visible(caller: Caller) -> Select[Webhook]:
    return select(Webhook).where(caller.owns(Webhook.owner_id))


def _row(session: Session, caller: Caller, webhook_id: UUID) -> Webhook:
    found = session.scalars(_visible(caller).where(Webhook.id == webhook_id)).one_or_none()
    if found is None:
        raise missing("webhook", webhook_id)
    return found
