"""Why a live search makes no progress: its trials wait for storage, or for a worker."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from api.store.live_workers import count_live
from api.store.waiting_trials import BEHIND

_PATIENCE = 10  # seconds that a trial usually waits at most while a worker is free

_WAITS = text(f"""
SELECT searches.id AS search_id, count(*) FILTER (WHERE trials.status = 'running') AS running,
    min(available_at) FILTER (WHERE trials.status = 'waiting')
        < now() - interval '{_PATIENCE} s' AS is_long,
    max(trials.reason) FILTER (WHERE trials.status = 'waiting' AND setbacks > 0) AS setback
FROM trials JOIN searches ON searches.id = search_id
WHERE search_id = ANY(:ids) AND trials.status IN ('waiting', 'running')
    AND searches.status IN ('running', 'finishing') AND kind <> 'export'
GROUP BY searches.id
""")

#: Those of some searches that have a trial before which one of another search is leased, or was.
#: A search with one trial in flight has often none that waits, and still gets the next worker.
_BEHIND = text("""
SELECT DISTINCT held.search_id
FROM trials AS held
WHERE held.search_id = ANY(:ids) AND held.status = 'waiting' AND held.kind <> 'export' AND EXISTS (
    SELECT FROM trials AS earlier JOIN searches ON searches.id = earlier.search_id
    WHERE earlier.status IN ('waiting', 'running') AND earlier.available_at <= now()
        AND searches.status IN ('running', 'finishing') AND earlier.queue_rank > held.queue_rank)
""")


def reasons(session: Session, ids: list[UUID]) -> dict[UUID, str]:
    """By search: what it waits for, in words; nothing for a search whose trials are trained."""
    rows = session.execute(_WAITS, {"ids": ids}).all()
    found = {row.search_id: f"waits for storage: {row.setback}" for row in rows if row.setback}
    idle = [row.search_id for row in rows if row.is_long and not row.running]
    if idle:
        workers = count_live(session)
        reason = (
            f"waits for a free worker: {workers} busy with other trials"
            if workers
            else "waits for a worker: none is connected"
        )
        behind = session.scalars(_BEHIND, {"ids": idle}) if workers else ()
        found = dict.fromkeys(idle, reason) | dict.fromkeys(behind, BEHIND + reason) | found
    return found
