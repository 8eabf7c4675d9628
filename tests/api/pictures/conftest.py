"""A search with trials, as its owner sees them."""

from collections.abc import Callable

import pytest

from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store import searches, trials


@pytest.fixture
def watched(world) -> Callable[[], tuple[SearchOut, list[TrialOut]]]:
    """A search with two trials, the second a child with a value, as its owner sees them."""
    caller = world.caller()
    search_id = world.search(caller)
    parent = world.trial(search_id)
    world.trial(search_id, parent_id=parent)

    def seen() -> tuple[SearchOut, list[TrialOut]]:
        with world.sessions.begin() as session:
            return (
                searches.get(session, caller, search_id),
                trials.listing(session, caller, search_id, limit=10).items,
            )

    return seen
