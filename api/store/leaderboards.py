"""The exported networks of all searches on a data set, ordered by their test metric."""

from uuid import UUID

from sqlalchemy import ColumnElement, Integer, func, literal_column, select
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.searches import SearchOut
from api.store import sharing, summaries
from api.store.fragments import METRIC_SIGN
from api.store.keys import Caller
from core.protocol.states import TrialKind

_MOST = 100  # networks that are listed


def datasets_with_networks(session: Session, caller: Caller) -> list[tuple[UUID, str, int]]:
    """Id, name and number of tested networks of each data set, the latest search's first."""
    statement = (
        select(Dataset.id, Dataset.name, func.count())
        .join(Search, Search.dataset_id == Dataset.id)
        .join(Trial, Trial.search_id == Search.id)
        .where(sharing.may_read(caller), *_tested())
        .group_by(Dataset.id, Dataset.name)
        .order_by(func.max(Search.created_at).desc())
    )
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def best(session: Session, caller: Caller, dataset_id: UUID) -> list[SearchOut]:
    """The searches on a data set that the caller may read and that have a tested network.

    Among those with the same metric the best comes first.
    """
    objective = Trial.test_metric * literal_column(METRIC_SIGN, Integer)
    statement = (
        select(Search)
        .join(Trial, Trial.search_id == Search.id)
        .where(sharing.may_read(caller), Search.dataset_id == dataset_id, *_tested())
        .order_by(objective.desc(), Search.created_at)
    )
    return summaries.of(session, list(session.scalars(statement.limit(_MOST))))


def _tested() -> tuple[ColumnElement[bool], ...]:
    return Trial.kind == TrialKind.FINAL, Trial.test_metric.is_not(None)
