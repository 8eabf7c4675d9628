"""Estimates of the time that a search still takes."""

from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.searches import SearchOut
from api.store import compute
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus, TrialKind
from core.search import remaining
from core.search.remaining import Progress


def seconds_left(session: Session, search: Search, out: SearchOut) -> float | None:
    """About how long a search will still take, its final fit included.

    None while nothing is known, unless it is running or finishing, and where another release wrote
    a configuration that this one cannot read.
    """
    if search.status not in {SearchStatus.RUNNING, SearchStatus.FINISHING}:
        return None
    stored = session.scalars(select(Dataset.spec).where(Dataset.id == search.dataset_id)).one()
    try:
        config, spec = (
            SearchConfig.model_validate(search.config),
            DatasetSpec.model_validate(stored),
        )
    except ValidationError:
        return None
    best = None if out.best is None else out.best.trial_id
    progress = Progress(
        elapsed=out.used.seconds,
        ended=out.used.trials,
        epochs=out.used.epochs,
        spent=compute.before(session.connection(), search.id, best),
        final_epochs=_final_epochs(session, search.id),
    )
    return remaining.seconds_left(config, spec, progress)


def _final_epochs(session: Session, search_id: UUID) -> int:
    """The epochs that the running final fit has finished; zero without one."""
    statement = (
        select(Lease.epochs)
        .join(Trial, Trial.id == Lease.trial_id)
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.FINAL)
    )
    return session.scalars(statement).one_or_none() or 0
