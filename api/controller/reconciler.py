"""The steps of the deciding thread: expire leases, tidy up, advance every live search."""

import logging

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from api.controller import finisher
from api.controller.proposer import Proposer
from api.controller.sweeper import Sweeper
from api.db import autocommit, unit_of_work
from api.store import discarded, endings, live_searches, searches
from core.search.budget import Suggest, Wait, decide

_log = logging.getLogger(__name__)


def expire_leases(engine: Engine, max_attempts: int) -> None:
    """Retry trials, or count them as lost, whose workers sent no report in time."""
    expired = autocommit(engine, lambda c: endings.expire(c, max_attempts))
    if expired:
        _log.warning("leases expired", extra={"leases": expired})


def tidy(sessions: sessionmaker[Session], sweeper: Sweeper) -> None:
    """Stop trials still waiting in ended searches; wake the sweeper after a deletion."""
    with unit_of_work(sessions) as session:
        for search_id in searches.left_waiting(session):
            searches.stop_waiting(session, search_id, "the search has ended")
        if discarded.are_there(session):
            sweeper.wake()


def advance(sessions: sessionmaker[Session], proposer: Proposer) -> bool:
    """Carry out what is decided for each live search; return whether more may be due at once."""
    with unit_of_work(sessions) as session:
        live = live_searches.live(session)
    again = False
    for search in live:
        decision = decide(search.progress)
        if isinstance(decision, Suggest):
            proposer.request(search, decision.count)
        elif not isinstance(decision, Wait):
            with unit_of_work(sessions) as session:
                again |= finisher.carry_out(session, search, decision)
    return again
