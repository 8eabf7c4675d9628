"""The end of what a session shares, after the last test that uses it.

The fixtures of a session end with it. A service that nobody uses any more would compute for minutes
beside the other tests: it looks for work several times a second.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

_ENDS = pytest.StashKey[dict[pytest.Item, list[Callable[[], None]]]]()


def after_last_use(request: pytest.FixtureRequest, folder: Path, end: Callable[[], None]) -> None:
    """Have a function called after the last test in this folder that uses the fixture."""
    uses = [
        item
        for item in request.session.items
        if request.fixturename in names_of(item) and folder in item.path.parents
    ]
    ends = request.session.stash.setdefault(_ENDS, {})
    ends.setdefault(uses[-1], []).append(end)


def end_after(item: pytest.Item) -> None:
    """Call the functions that wait for the end of this test."""
    for end in item.session.stash.get(_ENDS, {}).pop(item, []):
        end()


def names_of(item: pytest.Item) -> list[str]:
    """The names of the fixtures that a test uses."""
    return list(getattr(item, "fixturenames", ()))
