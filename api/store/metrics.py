"""Counts over everything, for Prometheus."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.models import Lease, Search, Trial, Worker

_RECENT = timedelta(minutes=1)


def searches_by_status(session: Session) -> dict[str, int]:
    """How many searches are in each status."""
    rows = session.execute(select(Search.status, func.count()).group_by(Search.status))
    return {str(status): count for status, count in rows}


def trials_by_status(session: Session) -> dict[str, int]:
    """How many trials are in each status."""
    rows = session.execute(select(Trial.status, func.count()).group_by(Trial.status))
    return {str(status): count for status, count in rows}


def live_workers(session: Session) -> int:
    """How many workers sent a report within the last minute."""
    heard_at = func.greatest(Worker.seen_at, Lease.heard_at)
    recent = (
        select(func.count(Worker.id.distinct()))
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .where(heard_at > func.now() - _RECENT)
    )
    return session.scalars(recent).one()
