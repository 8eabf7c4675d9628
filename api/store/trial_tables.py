"""A search's trials as people arrange them: filtered, sorted, in pages or all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session

from api.models.trials import Trial
from api.schemas.trials import TrialOut, TrialPage
from api.store import pages, trials
from core.errors import InvalidInput

#: The columns that trials can be sorted by.
SORTS = {
    "number": Trial.number,
    "value": Trial.value,
    "predicted": Trial.predicted_mean,
    "parameters": Trial.parameters,
    "epochs": Trial.epochs,
    "seconds": Trial.seconds,
}


_FARTHEST = 2**31  # no search has more trials
_STEPS = cast("$[*].text", JSONPATH)  # the morphisms in words


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which trials of a search are shown, and in which order."""

    sort: str = "number"  # a key of SORTS; with "-" before it, the largest first
    status: str = ""  # a trial's status; empty: all
    text: str = ""  # in morphisms, the reason or the worker's name, in any case of letters

    @property
    def is_default(self) -> bool:
        """Whether all trials are shown in the order of their numbers."""
        return self == Arrangement()


def listing(
    session: Session, search_id: UUID, arrangement: Arrangement, *, limit: int, cursor: str | None
) -> TrialPage:
    """A page of the trials of a search that the caller may see, as a list of the interface."""
    offset, named = 0, f"{arrangement.sort} {arrangement.status} {arrangement.text}"
    if cursor is not None:
        offset, of = pages.decode(cursor, int, str)
        if of != named or not 0 <= offset <= _FARTHEST:
            raise InvalidInput(pages.OTHER_LIST)
    rows = page(session, search_id, arrangement, limit=limit + 1, offset=offset)
    following = pages.encode(offset + limit, named) if len(rows) > limit else None
    return TrialPage(items=rows[:limit], next_cursor=following)


def page(
    session: Session, search_id: UUID, arrangement: Arrangement, *, limit: int, offset: int
) -> list[TrialOut]:
    """A page of the trials of a search that the caller may see."""
    return _read(session, search_id, arrangement, limit=limit, offset=offset)


def every(session: Session, search_id: UUID, arrangement: Arrangement) -> list[TrialOut]:
    """All trials of a search that the caller may see."""
    return _read(session, search_id, arrangement)


def count(session: Session, search_id: UUID, arrangement: Arrangement) -> int:
    """How many trials the arrangement shows."""
    statement = select(func.count()).where(*_shown(search_id, arrangement))
    return session.execute(statement).scalar_one()


def _read(
    session: Session,
    search_id: UUID,
    arrangement: Arrangement,
    *,
    limit: int | None = None,
    offset: int = 0,
) -> list[TrialOut]:
    statement = (
        select(Trial.id)
        .where(*_shown(search_id, arrangement))
        .order_by(*_order(arrangement.sort))
        .limit(limit)
        .offset(offset)
    )
    ids: Sequence[UUID] = session.scalars(statement).all()
    found = {one.id: one for one in trials.some(session, search_id, ids)}
    return [found[key] for key in ids if key in found]  # some may be deleted meanwhile


def _shown(search_id: UUID, arrangement: Arrangement) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Trial.search_id == search_id, trials.IS_SHOWN]
    if arrangement.status:
        conditions.append(Trial.status == arrangement.status)
    if arrangement.text:
        steps = cast(func.jsonb_path_query_array(Trial.morphisms, _STEPS), Text)
        columns: tuple[Any, ...] = (steps, Trial.reason, Trial.worker)
        conditions.append(
            or_(*(column.icontains(arrangement.text, autoescape=True) for column in columns))
        )
    return conditions


def _order(sort: str) -> list[ColumnElement[Any]]:
    """Trials without the value come last in both directions; equal ones by number."""
    column = SORTS[sort.removeprefix("-")]
    first = column.desc() if sort.startswith("-") else column.asc()
    return [first.nulls_last(), Trial.number.asc()]
