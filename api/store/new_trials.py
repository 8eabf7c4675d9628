"""New trials: suggestions and final fits become rows, if the search is still as it was read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from api.models.searches import Search
from api.models.trials import Trial
from api.priorities import RANKS, Priority
from api.store.notifications import changed
from core.protocol.states import SearchStatus, TrialKind


def add(session: Session, search_id: UUID, number: int, new: Sequence[Mapping[str, Any]]) -> bool:
    """Add suggested trials, given as columns, the first of them with this number; all or none.

    False where the search is not running or has got other trials meanwhile: the suggestions no
    longer fit and are dropped.
    """
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.RUNNING,
            Search.next_number == number,
            func.coalesce(Search.trial_limit, number + len(new)) >= number + len(new),
        )
        .values(next_number=number + len(new))
        .returning(Search.priority)
    )
    priority = session.scalars(statement).one_or_none() if new else None
    if priority is None:
        return False
    rank = RANKS[Priority(priority)]
    session.add_all(Trial(search_id=search_id, queue_rank=rank, **columns) for columns in new)
    session.flush()
    changed(session, search_id)
    return True


def add_final(
    session: Session,
    search_id: UUID,
    number: int,
    winner_id: UUID,
    *,
    inherits: bool = True,
    members: Sequence[int] = (),
    joint: Mapping[str, Any] | None = None,
) -> bool:
    """Add the final fit, which trains the winner on; False where it was added already.

    With `inherits` it begins with the winner's weights, if there are any. `joint` has the columns
    of an ensemble's architecture, which joins the trials with the numbers `members`; they replace
    the winner's.
    """
    winner = session.get(Trial, winner_id)
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.FINISHING,
            Search.next_number == number,
        )
        .values(next_number=number + 1)
        .returning(Search.started_at, Search.priority)
    )
    row = session.execute(statement).one_or_none()
    if winner is None or row is None:
        return False
    copied = ("architecture", "fingerprint", "layers", "parameters", "flops", "choices")
    columns = {name: getattr(winner, name) for name in (*copied, "training_memory")}
    if joint is not None:  # its networks are trained one after the other
        columns |= {**joint, "training_memory": None}
    session.add(
        Trial(
            search_id=search_id,
            number=number,
            kind=TrialKind.FINAL,
            parent_id=winner.id,
            morphisms=[],
            members=list(members),
            inherited=inherits and winner.weights_key is not None,
            available_at=row.started_at,  # goes before trials of later searches
            queue_rank=RANKS[Priority(row.priority)],
            **columns,
        )
    )
    session.flush()
    changed(session, search_id)
    return True
