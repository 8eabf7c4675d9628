"""Doing what `core.budget.decide` decided, other than suggesting."""

from sqlalchemy.orm import Session

from api.store import searches, trials
from api.store.standings import Open
from core.budget import Complete, Decision, Fail, Finish, FitBest, StopWaiting
from core.trial import SearchStatus


def carry_out(session: Session, search: Open, decision: Decision) -> bool:
    """Change the search as decided; False where it has changed meanwhile or nothing was to do."""
    search_id = search.search_id
    match decision:
        case Finish():
            return searches.move(session, search_id, SearchStatus.FINISHING)
        case StopWaiting():
            return searches.stop_waiting(session, search_id, "the time is up")
        case FitBest():
            return trials.add_final(session, search_id, search.next_number)
        case Complete():
            return searches.move(session, search_id, SearchStatus.COMPLETED)
        case Fail(reason):
            return searches.move(session, search_id, SearchStatus.FAILED, reason=reason)
        case _:
            return False
