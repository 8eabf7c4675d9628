"""The queue of deliveries: written with their events, claimed, sent and recorded.

A claim is a lease: where the claiming process dies, another one claims the delivery later. So each
event is sent at least once, and always with the same id.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.keys import Key
from api.models.webhooks import Delivery, Webhook
from api.store.fragments import METRIC_SIGN, OPEN_KEY, printable
from api.store.keys import are_open
from api.webhook_events import DeliveryStatus, WebhookEvent
from core.protocol.states import SearchStatus

CLAIM_SECONDS = 60.0  # longer than all sends of a batch take
KEPT = timedelta(days=30)  # after its creation a delivery is forgotten
#: Seconds before the second, the third, … attempt: eight hours in all.
PAUSES = (5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0)
MOST_ATTEMPTS = len(PAUSES) + 1
_LONGEST_TEXT = 500  # characters of an error or a reason

_ENDS = {
    SearchStatus.COMPLETED: WebhookEvent.SEARCH_COMPLETED,
    SearchStatus.FAILED: WebhookEvent.SEARCH_FAILED,
    SearchStatus.STOPPED: WebhookEvent.SEARCH_STOPPED,
}

_SUBSCRIBED = f"""
    JOIN webhooks ON webhooks.owner_id = searches.owner_id AND webhooks.events @> '["{{event}}"]'
    JOIN keys ON keys.id = searches.owner_id AND {OPEN_KEY}"""
#: A webhook that is being deleted gets no delivery, and its deletion is not an error of ours.
_LOCKED = "FOR KEY SHARE OF webhooks"

_SEARCH_END = f"""
INSERT INTO deliveries (webhook_id, event, data)
SELECT webhooks.id, '{{event}}', jsonb_build_object(
    'search_id', searches.id, 'name', searches.name, 'status', searches.status,
    'reason', left(searches.reason, {_LONGEST_TEXT}))
FROM searches {_SUBSCRIBED}
WHERE searches.id = :search_id
{_LOCKED}"""
_SEARCH_ENDS = {
    status: text(_SEARCH_END.format(event=event.value)) for status, event in _ENDS.items()
}

#: Writes the deliveries for trials that are better than all before; follows a CTE `moved` with
#: them. The best before is one look-up in `ix_trials_best`: as NOT EXISTS, the planner could read
#: the values of all searches for each result. Of results that come together, only the best counts.
BEST_NOTED = f"""
noted AS (
    INSERT INTO deliveries (webhook_id, event, data)
    SELECT webhooks.id, '{WebhookEvent.TRIAL_BEST}', jsonb_build_object(
        'search_id', searches.id, 'name', searches.name, 'trial_id', moved.id,
        'number', moved.number, 'value', moved.value * {METRIC_SIGN})
    FROM moved JOIN searches ON searches.id = moved.search_id
    {_SUBSCRIBED.format(event=WebhookEvent.TRIAL_BEST)}
    WHERE moved.kind = 'search' AND moved.status IN ('completed', 'stopped')
        AND moved.value IS NOT NULL
        AND coalesce(moved.value > (SELECT max(other.value) FROM trials AS other
            WHERE other.search_id = searches.id AND other.kind = 'search'
                AND other.value IS NOT NULL AND other.id <> moved.id), true)
        AND NOT EXISTS (SELECT FROM moved AS other
            WHERE other.search_id = moved.search_id AND other.kind = 'search'
                AND other.status IN ('completed', 'stopped')
                AND (other.value, -other.number) > (moved.value, -moved.number))
    {_LOCKED}
)"""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this process sends now."""

    id: UUID
    attempt: int
    url: str
    secret: bytes
    event: str
    data: dict[str, Any]
    created_at: datetime
    claimed_at: datetime  # by the database's clock, as the other times


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """How an attempt to send ended."""

    answer: int | None  # status of the receiver's answer
    error: str  # empty where it was delivered
    is_final: bool = False  # whether another attempt is useless


def note_end(session: Session, search_id: UUID, status: SearchStatus) -> None:
    """Write the deliveries for the end of a search, in the transaction that ends it."""
    session.execute(_SEARCH_ENDS[status], {"search_id": search_id})


def claim(session: Session, most: int) -> list[ClaimedDelivery]:
    """Claim deliveries that are due, at most one of each owner, so that none waits for others'.

    Those of an owner whose key is revoked or has expired are never sent.
    """
    session.execute(_GIVE_UP)
    chosen = {row.id: row for row in session.execute(_due(most))}
    claimed = (
        update(Delivery)
        .where(Delivery.id.in_(chosen))
        .values(
            attempts=Delivery.attempts + 1,
            claimed_until=func.now() + timedelta(seconds=CLAIM_SECONDS),
        )
        .returning(Delivery)
    )
    rows = session.scalars(claimed).all() if chosen else []
    return [_claimed(row, chosen[row.id].url, chosen[row.id].secret) for row in rows]


#: Where each process was killed while it sent one, no outcome was recorded.
_GIVE_UP = (
    update(Delivery)
    .where(
        Delivery.status == DeliveryStatus.PENDING,
        Delivery.attempts >= MOST_ATTEMPTS,
        Delivery.claimed_until < func.now(),
    )
    .values(
        status=DeliveryStatus.FAILED,
        error="the service ended during the last attempt",
        claimed_until=None,
        ended_at=func.now(),
    )
)


def _due(most: int) -> Any:
    """The first due delivery of each owner for whom nothing is being sent, the earliest owners."""
    other, its = aliased(Delivery), aliased(Webhook)
    is_sending = (
        exists()
        .where(other.webhook_id == its.id, its.owner_id == Webhook.owner_id)
        .where(other.status == DeliveryStatus.PENDING, other.claimed_until > func.now())
    )
    is_free = or_(Delivery.claimed_until.is_(None), Delivery.claimed_until < func.now())
    is_due = (Delivery.status == DeliveryStatus.PENDING, Delivery.due_at <= func.now(), is_free)
    first = (
        select(Delivery.id)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .join(Key, Key.id == Webhook.owner_id)
        .where(*is_due, are_open(), ~is_sending)
        .ext(distinct_on(Webhook.owner_id))
        .order_by(Webhook.owner_id, Delivery.due_at, Delivery.id)
    )
    return (
        select(Delivery.id, Webhook.url, Webhook.secret)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(Delivery.id.in_(first), *is_due)  # again, as another process may have claimed it
        .order_by(Delivery.due_at, Delivery.id)
        .limit(most)
        .with_for_update(skip_locked=True, of=Delivery)
    )


def _claimed(row: Delivery, url: str, secret: bytes) -> ClaimedDelivery:
    assert row.claimed_until is not None
    return ClaimedDelivery(
        row.id,
        row.attempts,
        url,
        secret,
        row.event,
        row.data,
        row.created_at,
        row.claimed_until - timedelta(seconds=CLAIM_SECONDS),
    )


def record(session: Session, claimed: ClaimedDelivery, outcome: DeliveryOutcome) -> None:
    """Record how an attempt ended; it is repeated after a pause while attempts are left.

    Nothing changes where another process has claimed the delivery meanwhile.
    """
    delivered = outcome.error == ""
    gives_up = outcome.is_final or claimed.attempt >= MOST_ATTEMPTS
    ended = delivered or gives_up
    pause = 0.0 if ended else PAUSES[claimed.attempt - 1]
    status = DeliveryStatus.FAILED if gives_up else DeliveryStatus.PENDING
    session.execute(
        update(Delivery)
        .where(Delivery.id == claimed.id, Delivery.attempts == claimed.attempt)
        .values(
            status=DeliveryStatus.DELIVERED if delivered else status,
            answer=outcome.answer,
            error=printable(outcome.error)[:_LONGEST_TEXT],
            claimed_until=None,
            # Receivers that were away together are not asked together again.
            due_at=func.now() + timedelta(seconds=pause) * (1 + func.random() / 4),
            ended_at=func.now() if ended else None,
        )
    )


def sweep(session: Session) -> None:
    """Forget old deliveries, also those that can never be sent."""
    session.execute(delete(Delivery).where(Delivery.created_at < func.now() - KEPT))
