"""Reports of workers, as the tests of leases and of their ends send them."""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from api.models.searches import Version
from api.store import train_orders
from api.store.train_orders import OrderContext
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.leases import HandBack
from core.protocol.contracts.reports import EpochReport, Heartbeat

LEASE = timedelta(seconds=30)


def beat(held: Any, step: int = 1) -> Heartbeat:
    """A heartbeat for a lease."""
    return Heartbeat(attempt=held.attempt, token=held.token, step=step)


def epoch_of(held: Any, epoch: int = 1, **values: Any) -> EpochReport:
    """The report of an epoch for a lease."""
    values.setdefault("seconds", 1.0)
    return EpochReport(attempt=held.attempt, token=held.token, epoch=epoch, **values)


def checkpoint_of(held: Any, epoch: int = 1, seconds: float = 1.0) -> CheckpointReport:
    """The report of a stored checkpoint for a lease."""
    digest = sha256(f"{held.token} {epoch}".encode()).hexdigest()
    blob = BlobRef(key=f"checkpoints/{digest}.safetensors", sha256=digest, bytes=10)
    return CheckpointReport(
        attempt=held.attempt, token=held.token, epoch=epoch, seconds=seconds, blob=blob
    )


def handed_back(held: Any) -> HandBack:
    """The message of a worker that gives the trial of a lease back."""
    return HandBack(attempt=held.attempt, token=held.token)


def context_of(connection: Connection, trial_id: UUID) -> OrderContext | None:
    """The context of a trial's order."""
    row = train_orders.read(connection, [trial_id]).get(trial_id)
    return None if row is None else train_orders.context(row)


def version(world: Any, search_id: UUID) -> int:
    """The version of a search."""
    with world.sessions.begin() as session:
        return session.get_one(Version, search_id).version
