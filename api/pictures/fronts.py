"""The Pareto front of a search: the trials that none beats in both the metric and a cost."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from api.schemas.fronts import FrontOut, FrontPoint
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store import searches, trials
from api.store.keys import Caller
from api.store.trials import FrontTrial, TrialPoint
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialKind
from core.search.pareto import non_dominated


def of_search(
    session: Session, caller: Caller, search_id: UUID, cost: Cost | None = None
) -> FrontOut:
    """The front of all trials of a search, however many.

    The cost is the search's own unless given; parameters where the search has none.
    """
    search = searches.outline(session, caller, search_id)
    chosen = cost or search.cost or Cost.PARAMETERS
    known = trials.with_value(session, search_id)
    found = best(known, chosen, larger_is_better=search.larger_is_better)
    items = [FrontPoint.of(one) for one in found]
    given = given_root(search, known)
    root = None if given is None else FrontPoint.of(given)
    return FrontOut(metric=search.metric, cost=chosen, items=items, root=root)


def best(points: Sequence[FrontTrial], cost: Cost, *, larger_is_better: bool) -> list[FrontTrial]:
    """The trials with a cost that no other one beats, the cheapest first."""
    known = [one for one in points if cost is not Cost.LATENCY or one.latency is not None]
    values = [one.value if larger_is_better else -one.value for one in known]
    chosen = non_dominated(values, [cost_of(one, cost) for one in known])
    return [known[index] for index in chosen]


def comparable(candidates: Iterable[TrialOut | TrialPoint], cost: Cost) -> list[FrontTrial]:
    """The trials of the search that have a value and a cost."""
    return [
        FrontTrial(trial.id, trial.number, trial.value, trial.value_std, trial.parameters,
                    trial.flops, trial.latency)
        for trial in candidates
        if trial.kind == TrialKind.SEARCH
        and trial.value is not None
        and (cost is not Cost.LATENCY or trial.latency is not None)
    ]  # fmt: skip


def given_root(search: SearchOut, points: Iterable[FrontTrial]) -> FrontTrial | None:
    """The network that the user gave as the root, which is the first trial; None without one."""
    if search.root is None:
        return None
    return next((point for point in points if point.number == 0), None)


def cost_of(point: FrontTrial, cost: Cost) -> float:
    """The cost of a comparable trial, in the unit of its field."""
    found: float | None = getattr(point, cost.value)
    return found or 0.0
