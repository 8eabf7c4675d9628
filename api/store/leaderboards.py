"""The exported networks of all searches on a data set, the best on the test split first."""

from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from api.models import Dataset, Search, Trial
from api.schemas import SearchOut
from api.store import summaries
from api.store.keys import Caller
from core.protocol.states import TrialKind
from core.tasks import ERRORS

_MOST = 100  # networks that are listed


def datasets_with_networks(session: Session, caller: Caller) -> list[tuple[UUID, str, int]]:
    """Id, name and number of tested networks of each data set, the latest search's first."""
    statement = (
        select(Dataset.id, Dataset.name, func.count())
        .join(Search, Search.dataset_id == Dataset.id)
        .join(Trial, Trial.search_id == Search.id)
        .where(caller.owns(Search.owner_id), *_tested())
        .group_by(Dataset.id, Dataset.name)
        .order_by(func.max(Search.created_at).desc())
    )
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def best(session: Session, caller: Caller, dataset_id: UUID) -> list[SearchOut]:
    """The caller's searches on a data set that have a tested network, the best of them first.

    Only those with the same metric can be compared.
    """
    is_error = Search.config["metric"].astext.in_(ERRORS)
    goodness = case((is_error, -Trial.test_metric), else_=Trial.test_metric)
    statement = (
        select(Search)
        .join(Trial, Trial.search_id == Search.id)
        .where(caller.owns(Search.owner_id), Search.dataset_id == dataset_id, *_tested())
        .order_by(goodness.desc(), Search.created_at)
    )
    return summaries.of(session, list(session.scalars(statement.limit(_MOST))))


def _tested() -> tuple[ColumnElement[bool], ...]:
    return Trial.kind == TrialKind.FINAL, Trial.test_metric.is_not(None)
