"""Names in the query of an address: one that the route does not know is refused.

A misspelt filter that counts as absent would return, or soon delete, more than was meant.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant

from core.errors import InvalidInput


def require_known_names(request: Request) -> None:
    """Raise InvalidInput for a name in the query that is no parameter of the route."""
    dependant: Dependant | None = getattr(request.scope.get("route"), "dependant", None)
    if not request.query_params or dependant is None:
        return
    known = _names(dependant)
    for name in request.query_params:
        if name not in known:
            raise InvalidInput(f"unknown query parameter {name[:60]!r}: {_advice(name, known)}")


def _advice(name: str, known: tuple[str, ...]) -> str:
    if close := get_close_matches(name, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"expected {', '.join(known)}" if known else "this address takes none"


def _names(dependant: Dependant) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_all(dependant)))


def _all(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _all(one)
