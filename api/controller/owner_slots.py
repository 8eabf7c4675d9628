"""How many more trials the searches of one owner may have in flight together."""

from collections import Counter
from collections.abc import Callable, Iterable
from uuid import UUID

from api.store.live_searches import LiveSearch
from core.protocol.states import SearchStatus


class OwnerSlots:
    """The trials in flight of each owner with a quota; those that are being suggested count.

    Trials that wait in a paused search take no worker, so they leave their slots to others.
    """

    def __init__(
        self, live: Iterable[LiveSearch], suggested: Callable[[UUID], int], most: int
    ) -> None:
        self._most = most
        self._taken: Counter[UUID] = Counter()
        for search in live:
            if search.limited_owner is not None:
                self._taken[search.limited_owner] += _taken(search, suggested)

    def take(self, search: LiveSearch, count: int) -> int:
        """As many of these slots as the owner has left; they are its searches' from now on."""
        if search.limited_owner is None:
            return count
        granted = max(0, min(count, self._most - self._taken[search.limited_owner]))
        self._taken[search.limited_owner] += granted
        return granted


def _taken(search: LiveSearch, suggested: Callable[[UUID], int]) -> int:
    """The slots that a search takes of its owner's."""
    if search.progress.status is SearchStatus.PAUSED:
        return search.progress.running
    return search.in_flight + suggested(search.search_id)
