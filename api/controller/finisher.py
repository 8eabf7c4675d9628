"""Carries out the decisions of `core.search.budget.decide`, except `Suggest` and `Wait`."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from api.controller.suggestions import architecture_columns, past_trial
from api.models.searches import Search
from api.store import live_searches, new_trials, searches
from api.store.live_searches import LiveSearch
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus
from core.search import defaults, ensembles, keeping, pace, race
from core.search.budget import (
    Complete,
    Decision,
    Fail,
    Finish,
    FitBest,
    SearchProgress,
    StopWaiting,
)
from core.search.history import PastTrial
from core.search.repeats import comparable
from core.tasks import measured


def carry_out(session: Session, search: LiveSearch, decision: Decision) -> bool:
    """Change the search as decided; False where nothing changed, as after a change elsewhere."""
    search_id = search.search_id
    match decision:
        case Finish():
            return searches.move(
                session, search_id, SearchStatus.FINISHING, condition=_has_limits(search.progress)
            )
        case StopWaiting():
            return searches.stop_waiting(session, search_id, "the time is up")
        case FitBest():
            return _fit_best(session, search)
        case Complete():
            return searches.move(session, search_id, SearchStatus.COMPLETED)
        case Fail(reason):
            return searches.move(session, search_id, SearchStatus.FAILED, reason=reason)
        case _:
            return False


def _has_limits(progress: SearchProgress) -> ColumnElement[bool]:
    """Whether a search has the limits that a decision was made for: a user may extend them."""
    return and_(
        Search.trial_limit.is_not_distinct_from(progress.trial_limit),
        Search.epoch_limit.is_not_distinct_from(progress.epoch_limit),
        Search.trials_deadline.is_not_distinct_from(progress.trials_deadline),
    )


def _winner(
    session: Session, search: LiveSearch, config: SearchConfig, known: Sequence[PastTrial]
) -> PastTrial | None:
    """The trial whose network is exported; None where none has a value."""
    root = live_searches.given_root(session, search.search_id) if config.keep_accuracy else None
    if root is not None and config.cost is not None:
        kept = keeping.kept_value(known, root, config.cost, config.bounds or Bounds())
        if kept is not None:
            return keeping.chosen(known, kept)
    return race.chosen(known)


def _fit_best(session: Session, search: LiveSearch) -> bool:
    """Add the final fit of the trial expected to end best, or of several as an ensemble."""
    configured = live_searches.configured(session, search.search_id)
    if configured is None:
        return False
    config, spec = configured
    best = measured(config).value_range[1]
    ended = [past_trial(row, best) for row in live_searches.past(session, search.search_id)]
    known = comparable(ended, pace.goal(config, spec))
    winner = _winner(session, search, config, known)
    if winner is None:
        return False
    count = defaults.networks(config, spec, defaults.slowness(ended))
    members = ensembles.members_of(known, count, config.bounds)
    joint = ensembles.joined([one.architecture for one in members]) if members else None
    return new_trials.add_final(
        session,
        search.search_id,
        search.next_number,
        winner.trial_id,
        inherits=config.training.final_weights == "inherited",
        members=[one.number for one in members],
        joint=None if joint is None else architecture_columns(joint),
    )
