"""Rests of workers: one that cannot read or write what the service can gets no trials for a while.

Its own storage is broken (a lost mount, a full disk), so each trial it takes would be set back.
It rests longer after each such trial in a row; a restart of the worker ends its rest.
"""

from uuid import UUID

from sqlalchemy import Connection, text

from api.store.fragments import printable
from core.protocol.contracts.results import TrialResult

_FIRST, _LONGEST = 5.0, 60.0  # seconds; not longer, as storage may have been repaired
_IN_A_ROW = 600.0  # seconds after a rest, for which another one is the next in a row

_REST = text("""
UPDATE workers
SET problem = :problem, rests = next.rests,
    resting_until = now() + make_interval(secs => least(:first * 2 ^ (next.rests - 1), :longest))
FROM (
    SELECT workers.id, CASE
        WHEN resting_until > now() - make_interval(secs => :in_a_row) THEN least(rests + 1, 10)
        ELSE 1 END AS rests
    FROM leases JOIN workers ON workers.id = leases.worker_id
    WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
) AS next
WHERE workers.id = next.id
RETURNING least(:first * 2 ^ (next.rests - 1), :longest) AS seconds
""")


def begin(connection: Connection, trial_id: UUID, report: TrialResult, problem: str) -> float:
    """Let the worker with the lease of a report rest; for how many seconds, 0 without the lease."""
    values = {
        "trial_id": trial_id,
        "attempt": report.attempt,
        "token": report.token,
        "problem": printable(problem),
        "first": _FIRST,
        "longest": _LONGEST,
        "in_a_row": _IN_A_ROW,
    }
    return float(connection.scalar(_REST, values) or 0.0)
