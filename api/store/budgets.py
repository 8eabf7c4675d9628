"""Changes of what a search may spend: its early finish.

The transaction locks search, trials, versions in this order, as `api.models` says.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from api.models import Search, Trial
from api.schemas import SearchOut
from api.store import searches
from api.store.errors import Conflict
from api.store.keys import Caller
from core.protocol.contracts import Budget, SearchConfig
from core.protocol.states import LIVE_TRIAL, SearchStatus, TrialKind, TrialStatus
from core.search import pace

_FINISHED = {SearchStatus.FINISHING, SearchStatus.COMPLETED}
_FINISHABLE = {SearchStatus.PENDING, SearchStatus.RUNNING, SearchStatus.PAUSED}


def finish(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Start no more trials; the running ones end, then the final fit of the best follows.

    Waiting trials are stopped, and the budget becomes what has been spent, so that the final fit
    takes as long as that of a search of this length. Nothing changes where it is finishing already.

    Raises:
        Conflict: the search has ended, or it has no trial to fit.
    """
    search = searches.locked(session, caller, search_id)
    if search.status in _FINISHED:
        return searches.get(session, caller, search_id)
    if search.status not in _FINISHABLE:
        raise Conflict(f"the search is {search.status}; expected one that runs or is paused")
    searches.stop_waiting(session, search_id, "the search was finished early")
    progress = _progress(session, search_id)
    if not (progress.running or progress.has_best):
        raise Conflict(
            "no trial of the search has a value yet, and none is running: wait for the first "
            "trial, or stop the search"
        )
    if search.status != SearchStatus.RUNNING:
        searches.move(session, search_id, SearchStatus.RUNNING)
    values = _limits(session, search, progress) | {"reason": f"finished early by {caller.name}"}
    searches.move(session, search_id, SearchStatus.FINISHING, **values)
    return searches.get(session, caller, search_id)


@dataclass(frozen=True, slots=True)
class _Progress:
    """The search trials of a search in numbers."""

    made: int
    running: int
    epochs: int  # spent by ended trials, reserved by live ones
    has_best: bool


def _progress(session: Session, search_id: UUID) -> _Progress:
    reserved = func.greatest(Trial.epochs_reserved, Trial.epochs_spent)
    epochs = case((Trial.status.in_(LIVE_TRIAL), reserved), else_=Trial.epochs_spent)
    statement = select(
        func.count(),
        func.count().filter(Trial.status == TrialStatus.RUNNING),
        func.coalesce(func.sum(epochs), 0),
        func.count(Trial.value) > 0,
    ).where(Trial.search_id == search_id, Trial.kind == TrialKind.SEARCH)
    return _Progress(*session.execute(statement).one())


def _limits(session: Session, search: Search, progress: _Progress) -> dict[str, Any]:
    """The columns of a search whose budget is what it has spent."""
    config = SearchConfig.model_validate(search.config)
    elapsed = select(func.extract("epoch", func.now() - Search.started_at))
    seconds = session.scalars(elapsed.where(Search.id == search.id)).one()
    spent = pace.spent_budget(
        config.budget,
        trials=progress.made,
        epochs=progress.epochs,
        elapsed=float(seconds or 0),
    )
    return {
        "config": {**search.config, "budget": _json(spent)},
        "trial_limit": spent.trials,
        "epoch_limit": spent.epochs,
    }


def _json(budget: Budget) -> dict[str, Any]:
    return budget.model_dump(mode="json", exclude_none=True)
