"""Reading what the next step of a search, or its final fit, depends on."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.models import Dataset, Search
from api.store import trials
from api.store.live_searches import LiveSearch
from api.store.trial_rows import StoredSnapshot
from core.protocol.contracts import DatasetSpec, SearchConfig
from core.protocol.states import SearchStatus


def read(session: Session, search: LiveSearch, count: int) -> StoredSnapshot | None:
    """The snapshot for `count` suggestions; None where the search has changed since it was read."""
    elapsed = func.extract("epoch", func.now() - Search.started_at)
    statement = (
        select(Search.config, Search.bounds, Dataset.spec, elapsed.label("elapsed"))
        .join(Dataset, Dataset.id == Search.dataset_id)
        .where(
            Search.id == search.search_id,
            Search.status == SearchStatus.RUNNING,
            Search.next_number == search.next_number,
        )
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    return StoredSnapshot(
        search_id=search.search_id,
        next_number=search.next_number,
        count=count,
        config=row.config,
        bounds=row.bounds,
        dataset=row.spec,
        elapsed=float(row.elapsed),
        epochs_left=search.progress.epochs_left,
        trials=trials.past(session, search.search_id),
    )


def configured(session: Session, search_id: UUID) -> tuple[SearchConfig, DatasetSpec] | None:
    """How a search is configured and what its data set is; None where it was deleted."""
    statement = (
        select(Search.config, Dataset.spec)
        .join(Dataset, Dataset.id == Search.dataset_id)
        .where(Search.id == search_id)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    return SearchConfig.model_validate(row.config), DatasetSpec.model_validate(row.spec)
