"""The progress of every live search, on which the controller decides: one cheap query."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from api.store.fragments import listed
from core.protocol.states import LIVE_SEARCH, LIVE_TRIAL, SearchStatus, TrialStatus
from core.search.budget import FAILURES_IN_A_ROW, SearchProgress


@dataclass(frozen=True, slots=True)
class LiveSearch:
    """A live search and its progress."""

    search_id: UUID
    next_number: int  # a decision holds only while this has not changed
    progress: SearchProgress


# Each LATERAL reads a few rows by a partial index; only a budget in epochs needs a sum over all.
_LIVE = text(f"""
SELECT searches.id, searches.status, parallelism, trial_limit, epoch_limit, trials_deadline,
    next_number, coalesce(extract(epoch FROM now() - searches.started_at), 0)::float8 AS elapsed,
    live.waiting, live.running,
    coalesce(taken.epochs, 0) AS epochs_taken,
    coalesce(failed.failures, 0) AS failures, coalesce(failed.reason, '') AS failure,
    final.status AS final, coalesce(final.reason, '') AS final_reason,
    final.test_metric IS NOT NULL AS final_tested,
    EXISTS (SELECT FROM trials AS best WHERE best.search_id = searches.id
        AND best.kind = 'search' AND best.value IS NOT NULL) AS has_best
FROM searches
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE trials.status = 'waiting') AS waiting,
        count(*) FILTER (WHERE trials.status = 'running') AS running
    FROM trials WHERE search_id = searches.id AND kind = 'search'
        AND trials.status IN ({listed(LIVE_TRIAL)})
) AS live
LEFT JOIN LATERAL (
    SELECT sum(CASE WHEN trials.status IN ({listed(LIVE_TRIAL)})
        THEN greatest(epochs_reserved, epochs_spent) ELSE epochs_spent END) AS epochs
    FROM trials WHERE search_id = searches.id AND kind = 'search' AND epoch_limit IS NOT NULL
) AS taken ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE good = 0) AS failures,
        (array_agg(recent.reason ORDER BY ended_at DESC))[1] AS reason
    FROM (
        SELECT last.reason, last.ended_at,
            count(*) FILTER (WHERE last.status NOT IN ('failed', 'lost'))
                OVER (ORDER BY ended_at DESC) AS good
        FROM (
            SELECT trials.reason, trials.status, ended_at FROM trials
            WHERE search_id = searches.id AND kind = 'search' AND ended_at IS NOT NULL
            ORDER BY ended_at DESC LIMIT {FAILURES_IN_A_ROW}
        ) AS last
    ) AS recent
) AS failed ON true
LEFT JOIN trials AS final ON final.search_id = searches.id AND final.kind = 'final'
WHERE searches.status IN ({listed(LIVE_SEARCH)})
ORDER BY searches.created_at
""")


def live(session: Session | Connection) -> list[LiveSearch]:
    """All live searches, the oldest first."""
    return [_live_search(row) for row in session.execute(_LIVE).mappings()]


def _live_search(row: object) -> LiveSearch:
    columns = dict(row)  # type: ignore[call-overload]
    search_id, number = columns.pop("id"), columns.pop("next_number")
    columns["status"] = SearchStatus(columns["status"])
    columns["final"] = columns["final"] and TrialStatus(columns["final"])
    return LiveSearch(search_id, number, SearchProgress(created=number, **columns))
