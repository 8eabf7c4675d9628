"""The strategies, one module each; each joins `STRATEGIES` by itself."""

import dataclasses
from collections.abc import Mapping
from typing import get_type_hints

from core.errors import InvalidInput
from core.protocol.contracts.search_config import Cost
from core.registry import import_modules
from core.search.strategies.abstract import STRATEGIES, AbstractStrategy

import_modules(__name__, list(__path__))

__all__ = ["STRATEGIES", "AbstractStrategy", "strategy"]


def strategy(
    kind: str, options: Mapping[str, float | str | bool], cost: Cost | None = None
) -> AbstractStrategy:
    """The strategy with its options, and with the search's cost if it has such an option.

    Raises:
        UnknownKind: no strategy has this name; the message lists those that exist.
        InvalidInput: an option is unknown, or its value is of a wrong type or out of range.
    """
    cls = STRATEGIES[kind]
    types = get_type_hints(cls)
    known = {field.name: types[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    given: dict[str, object] = {"cost": cost} if known.pop("cost", None) else {}
    for name, value in options.items():
        if name not in known:
            raise InvalidInput(
                f"strategy {kind!r} has no option {name!r}; it has: {', '.join(known) or 'none'}"
            )
        given[name] = _converted(kind, name, value, known[name])
    return cls(**given)


def _converted(kind: str, name: str, value: object, expected: type) -> object:
    """The option in its type; an integer may be written as a float, and the reverse."""
    if expected is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not expected:
        raise InvalidInput(
            f"option {name!r} of strategy {kind!r} is {value!r}; expected {expected.__name__}"
        )
    return value
