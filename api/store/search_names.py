"""Names of new searches: one that is given, one after another search, or one after the data set."""

import re
from collections.abc import Collection
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from api.models.searches import Search
from api.schemas.new_searches import SearchIn
from api.store import searches
from api.store.errors import NotFound
from api.store.keys import Caller
from core.errors import InvalidInput

_LONGEST = 128  # characters, as in `api.schemas.texts.Name`
#: A name with the number of a copy. Longer numbers, such as those of years, are part of the name.
_NUMBERED = re.compile(r"(.+) \(([2-9]|[1-9]\d{1,2})\)", re.DOTALL)


def name_of(session: Session, caller: Caller, body: SearchIn, dataset: str) -> str:
    """The name of the search that a request is for; `dataset` is the name of its data set.

    Raises InvalidInput where the search to be named after is not one that the caller may read.
    """
    if body.name:
        return body.name
    if body.name_after is None:
        return f"{dataset} {uuid4().hex[:6]}"
    try:
        return after(session, caller, body.name_after)
    except NotFound as error:
        raise InvalidInput(f"name_after: {error}") from None


def after(session: Session, caller: Caller, search_id: UUID) -> str:
    """The name of a search, with a number where the caller has one of that name.

    Raises NotFound where the caller may not read it.
    """
    name = searches.outline(session, caller, search_id).name
    own = select(Search.name).where(Search.owner_id == caller.key_id)
    return next_name(name, set(session.scalars(own.where(_same_stem(name)))))


def _same_stem(name: str) -> ColumnElement[bool]:
    return or_(Search.name == name, Search.name.startswith(f"{_stem(name)} (", autoescape=True))


def next_name(name: str, taken: Collection[str]) -> str:
    """The name if it is not taken, else that name with the number after the highest taken one."""
    if name not in taken:
        return name
    stem = _stem(name)
    numbers = [
        int(found[2]) for one in taken if (found := _NUMBERED.fullmatch(one)) and found[1] == stem
    ]
    number = f" ({max(numbers, default=1) + 1})"
    return stem[: _LONGEST - len(number)].rstrip() + number


def _stem(name: str) -> str:
    """The name without the number of a copy."""
    found = _NUMBERED.fullmatch(name)
    return found[1] if found else name
