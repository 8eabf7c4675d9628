"""Trials of the networks that users have enqueued: they go before suggestions."""

from sqlalchemy.orm import Session

from api.controller.suggestions import rows_of
from api.store import enqueued, live_searches, new_trials, searches
from api.store.live_searches import LiveSearch
from core.graph.architecture import Architecture
from core.protocol.states import SearchStatus
from core.search import defaults
from core.search.history import Suggestion


def start(session: Session, search: LiveSearch, count: int) -> bool:
    """Add trials of enqueued networks, at most `count`; False where there are none to add.

    A race of roots comes first, as its trials are compared after equal training.
    """
    searches.lock(session, search.search_id)  # so that no network is withdrawn meanwhile
    configured = live_searches.configured(session, search.search_id)
    if configured is None:
        return False
    config, spec = configured
    first = search.next_number
    if defaults.is_in_race(config, spec, number=first, inherited=False):
        return False
    chosen = enqueued.waiting(session, search.search_id, count)
    rows = rows_of(
        [Suggestion(architecture=Architecture.from_json(one.architecture)) for one in chosen],
        first=first,
        config=config,
        dataset=spec,
        elapsed=search.progress.elapsed,
        epochs_left=search.progress.epochs_left,
    )
    if search.progress.status is SearchStatus.PENDING:
        searches.begin(session, search.search_id)
    made = [row | {"network_id": one.network_id} for row, one in zip(rows, chosen, strict=False)]
    if not new_trials.add(session, search.search_id, first, made):
        return False
    enqueued.remove(session, search.search_id, [row["network_id"] for row in made])
    return True
