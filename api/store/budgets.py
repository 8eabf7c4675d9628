"""Changes of what a search may spend, and of its priority: its early finish and its extension.

The transaction locks search, trials, versions in this order, as `api.models` says.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, case, func, select, update
from sqlalchemy.orm import Session

from api.models.searches import Search
from api.models.trials import Trial
from api.priorities import RANKS, Priority
from api.schemas.searches import LimitsIn, SearchOut
from api.store import live_searches, quotas, searches
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.notifications import changed
from core.errors import InvalidInput
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import (
    EXTENDABLE_SEARCH,
    LIVE_SEARCH,
    LIVE_TRIAL,
    SearchStatus,
    TrialKind,
    TrialStatus,
)
from core.search import pace
from core.search.budget import is_spent

_FINISHED = {SearchStatus.FINISHING, SearchStatus.COMPLETED}
_FINISHABLE = {SearchStatus.PENDING, SearchStatus.RUNNING, SearchStatus.PAUSED}


def finish(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Start no more trials; the running ones end, then the final fit of the best follows.

    Waiting trials are stopped, and the budget becomes what the others will have spent, so that the
    final fit takes as long as that of a search of this length. Nothing changes where it is
    finishing already.

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
        resume = "resume it and " if search.status == SearchStatus.PAUSED else ""
        raise Conflict(
            f"no trial of the search has a value yet, and none is running: {resume}wait for the "
            "first trial, or stop the search"
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
    """The columns of a search whose budget is what its trials will have spent."""
    config = SearchConfig.model_validate(search.config)
    trials_end = func.greatest(func.now(), _last_end(search.id))
    elapsed = select(func.extract("epoch", trials_end - Search.started_at))
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


def _last_end(search_id: UUID) -> ScalarSelect[Any]:
    """When the last running trial has had its time; NULL where none has a limit in seconds."""
    limit = Trial.hyperparameters["max_seconds"].as_float()
    seconds = limit - func.coalesce(Trial.checkpoint_seconds, 0)
    end = Trial.started_at + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    running = (Trial.status == TrialStatus.RUNNING, Trial.kind == TrialKind.SEARCH)
    return select(func.max(end)).where(Trial.search_id == search_id, *running).scalar_subquery()


def extend(
    session: Session,
    caller: Caller,
    search_id: UUID,
    body: LimitsIn,
    most_live: int | None = None,
) -> SearchOut:
    """Let a search spend more; one that is completed or stopped runs on. Change its priority.

    The time of an extended search goes on from where its trials ended: the earlier final fit
    becomes a former one, and another is made at the end. The priority alone can be changed as long
    as the search is not over.

    Raises:
        InvalidInput: a limit is below the present one, or the search has no such limit.
        Forbidden: the caller may not give it this priority.
        Conflict: the search is finishing or has failed, or its budget is spent even so.
        QuotaExceeded: the caller has `most_live` searches already that have not ended.
    """
    search = searches.locked(session, caller, search_id)
    if body.priority is not None:
        quotas.check_priority(caller, body.priority, search.priority)
        if body == LimitsIn(priority=body.priority):
            _require_live(SearchStatus(search.status))
            _set_priority(session, search, body.priority)
            return searches.get(session, caller, search_id)
    before = SearchConfig.model_validate(search.config)
    config = _extended(before, body)
    values: dict[str, Any] = {}
    if search.status in EXTENDABLE_SEARCH:
        if most_live is not None:
            quotas.check_searches(session, caller, most_live)
        values = _reopened(session, search)
    elif search.status not in _FINISHABLE:
        raise Conflict(_not_extendable(SearchStatus(search.status)))
    if values or config != before:
        values |= _columns(search, config, _count_former(session, search_id))
        session.execute(update(Search).where(Search.id == search_id).values(values))
        changed(session, search_id)
        _require_budget(session, search_id)
    if body.priority is not None:
        _set_priority(session, search, body.priority)
    return searches.get(session, caller, search_id)


def _require_live(status: SearchStatus) -> None:
    """Raise Conflict where no trial of a search can wait any more."""
    if status not in LIVE_SEARCH:
        advice = "extend its budget as well" if status in EXTENDABLE_SEARCH else "create it again"
        raise Conflict(f"the search is {status} and has no trials to lease: {advice}")


def _set_priority(session: Session, search: Search, priority: Priority) -> None:
    """Change the priority of a search and the rank of its trials that wait or may wait again."""
    if search.priority == priority:
        return
    session.execute(update(Search).where(Search.id == search.id).values(priority=priority))
    live = (Trial.status.in_(LIVE_TRIAL), Trial.kind != TrialKind.EXPORT)
    ranked = update(Trial).where(Trial.search_id == search.id, *live)
    session.execute(ranked.values(queue_rank=RANKS[priority]))
    changed(session, search.id)


def _columns(search: Search, config: SearchConfig, former: int) -> dict[str, Any]:
    """The columns of a search with these limits, of which `former` trials are final fits."""
    budget = config.budget
    limits = {"budget": _json(budget), "parallelism": config.parallelism}
    return {
        "config": {**search.config, **limits},
        "parallelism": config.parallelism,
        "trial_limit": None if budget.trials is None else budget.trials + former,
        "epoch_limit": budget.epochs,
        "trials_deadline": pace.trials_deadline(config),
    }


def _extended(config: SearchConfig, body: LimitsIn) -> SearchConfig:
    """The configuration with the new limits."""
    limits = config.budget.model_dump(exclude_none=True)
    given = body.model_dump(exclude_none=True, exclude={"priority"})
    parallelism = given.pop("parallelism", config.parallelism)
    for name, limit in given.items():
        if name not in limits:
            raise InvalidInput(
                f"{name}: the search has no such limit; expected one of {', '.join(limits)}"
            )
        if limit < limits[name]:
            raise InvalidInput(
                f"{name}: {limit:g} is below the present limit of {limits[name]:g}; expected the "
                "new limit, what has been spent included"
            )
    budget = Budget.model_validate(limits | given)
    return config.model_copy(update={"budget": budget, "parallelism": parallelism})


def _not_extendable(status: SearchStatus) -> str:
    if status is SearchStatus.FINISHING:
        return "the search is finishing: extend it when it is completed"
    return f"the search is {status} and cannot be extended: create it again with another budget"


def _reopened(session: Session, search: Search) -> dict[str, Any]:
    """The columns of an ended search that runs on, its clock from where its trials ended."""
    final = session.scalars(
        select(Trial).where(Trial.search_id == search.id, Trial.kind == TrialKind.FINAL)
    ).one_or_none()
    if final is not None and final.status in LIVE_TRIAL:
        raise Conflict("the final fit of the search is about to end: try again in a few seconds")
    spent = timedelta(0)
    if search.started_at is not None and search.ended_at is not None:
        spent = (search.ended_at if final is None else final.created_at) - search.started_at
    if final is not None:
        final.kind = TrialKind.FORMER
    started_at = func.now() - spent
    return {
        "status": SearchStatus.RUNNING, "started_at": started_at, "ended_at": None, "reason": ""
    }  # fmt: skip


def _count_former(session: Session, search_id: UUID) -> int:
    """The final fits of before: they have numbers, but are no trials of the budget."""
    statement = select(func.count()).where(
        Trial.search_id == search_id, Trial.kind == TrialKind.FORMER
    )
    return session.scalars(statement).one()


def _require_budget(session: Session, search_id: UUID) -> None:
    """Raise Conflict where a search that is to run on has nothing left to spend."""
    progress = live_searches.progress(session, search_id)
    if progress is None:
        return
    if progress.status is SearchStatus.RUNNING and is_spent(progress):
        raise Conflict(
            "the budget of the search is spent: extend each limit that it has used up, "
            "to more than it has used"
        )


def _json(budget: Budget) -> dict[str, Any]:
    return budget.model_dump(mode="json", exclude_none=True)
