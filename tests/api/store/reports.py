"""Reports of workers, as the tests of leases and of their ends send them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from api.models import Version
from core.protocol.contracts import EpochReport, Heartbeat

LEASE = timedelta(seconds=30)


def beat(held: Any, step: int = 1) -> Heartbeat:
    """A heartbeat for a lease."""
    return Heartbeat(attempt=held.attempt, token=held.token, step=step)


def epoch_of(held: Any, epoch: int = 1, **values: Any) -> EpochReport:
    """The report of an epoch for a lease."""
    values.setdefault("seconds", 1.0)
    return EpochReport(attempt=held.attempt, token=held.token, epoch=epoch, **values)


def version(world: Any, search_id: UUID) -> int:
    """The version of a search."""
    with world.sessions.begin() as session:
        return session.get_one(Version, search_id).version
