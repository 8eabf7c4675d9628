"""Lets a caller end the reading of a data set between two of its pieces.

The check belongs to the context of a thread, so that the formats need not pass it on to each other.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Is called between two pieces; what it raises ends the reading.
Check = Callable[[], None]

_check: ContextVar[Check | None] = ContextVar("check", default=None)


@contextmanager
def checked_by(found: Check) -> Iterator[None]:
    """Call a check between the pieces of all that is read in this block."""
    token = _check.set(found)
    try:
        yield
    finally:
        _check.reset(token)


def check() -> None:
    """Call the check of the caller, if it has one: a reading does so after each piece."""
    if (found := _check.get()) is not None:
        found()
