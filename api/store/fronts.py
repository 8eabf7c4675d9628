"""The front of a search, of all its trials however many."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from api import fronts
from api.models import Trial
from api.schemas import FrontOut
from api.store import searches
from api.store.keys import Caller
from core.protocol.contracts import Cost
from core.protocol.states import TrialKind

_FACTS = (
    Trial.number, Trial.kind, Trial.value, Trial.value_std,
    Trial.parameters, Trial.flops, Trial.latency,
)  # fmt: skip


def of_search(
    session: Session, caller: Caller, search_id: UUID, cost: Cost | None = None
) -> FrontOut:
    """The front of a search against a cost: its own unless told, parameters where it has none."""
    search = searches.get(session, caller, search_id)
    chosen = cost or search.cost or Cost.PARAMETERS
    statement = (
        select(Trial)
        .options(load_only(*_FACTS))
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.SEARCH)
        .where(Trial.value.is_not(None))
        .order_by(Trial.number)
    )
    points = fronts.points(session.scalars(statement), chosen)
    return FrontOut(metric=search.metric, cost=chosen, items=points)
