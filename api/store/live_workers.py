"""Workers that are there: those that sent something within the last minute."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.models.leases import Lease
from api.models.workers import Worker

RECENT = timedelta(minutes=1)  # for which a silent worker counts as alive
_heard_at = func.greatest(Worker.seen_at, Lease.heard_at)


def count_live(session: Session) -> int:
    """How many workers sent a report within the last minute."""
    return sum(live_by_device(session).values())


def live_by_device(session: Session) -> dict[str, int]:
    """How many workers of each kind of device sent a report within the last minute."""
    recent = (
        select(Worker.device, func.count(Worker.id.distinct()))
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .where(_heard_at > func.now() - RECENT)
        .group_by(Worker.device)
        .order_by(Worker.device)
    )
    return {device: count for device, count in session.execute(recent)}


def count_taking_trials(session: Session) -> int:
    """How many live workers take trials: they neither drain nor rest."""
    is_away = Worker.draining | func.coalesce(Worker.resting_until > func.now(), False)
    return session.scalars(
        select(func.count(Worker.id.distinct()))
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .where(_heard_at > func.now() - RECENT, ~is_away)
    ).one()
