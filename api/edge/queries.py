"""Names in the query of an address and in a form: one that the route does not know is refused.

A misspelt filter that counts as absent would return, or soon delete, more than was meant; without a
misspelt field of a form, the data would be divided or learned from in another way.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.params import Form

from core.errors import InvalidInput


async def require_known_names(request: Request) -> None:
    """Raise InvalidInput for a name in the query or form that is no parameter of the route."""
    dependant: Dependant | None = getattr(request.scope.get("route"), "dependant", None)
    if dependant is None:
        return
    if request.query_params:
        _require("query parameter", request.query_params, _names(dependant))
    if fields := _fields(dependant):
        _require("field", await request.form(), fields)  # it has been read before


def _require(what: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InvalidInput(f"unknown {what} {name[:60]!r}: {_advice(name, known)}")


def _advice(name: str, known: tuple[str, ...]) -> str:
    if close := get_close_matches(name, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"expected {', '.join(known)}" if known else "this address takes none"


def _fields(dependant: Dependant) -> tuple[str, ...]:
    """The fields of the form that a route reads; empty where it reads none."""
    return tuple(one.alias for one in dependant.body_params if isinstance(one.field_info, Form))


def _names(dependant: Dependant) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_all(dependant)))


def _all(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _all(one)
