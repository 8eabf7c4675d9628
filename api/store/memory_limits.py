"""What trainings have shown of the memory of devices, shared by all searches.

A kind of device is its name with its memory. For each on which a training ran out of memory, a row
has the least estimate (`core.graph.cost.training_memory`) that did. It is superseded where an equal
or larger one is trained there later, and forgotten after a day: other programs may have used the
memory, and estimates are not exact. A device with more memory is another kind.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, text
from sqlalchemy.orm import Session

from api.models.workers import MemoryLimit
from api.store.live_workers import RECENT
from api.store.prepared import PreparedStatement
from core.protocol.contracts.results import TrialResult

_KEPT = timedelta(days=1)
_GRAIN = 2**28  # bytes; machines of one kind differ by less

_RECENTLY = f"now() - interval '{RECENT.total_seconds():.0f} s'"
#: The kinds of devices that are there: of workers that have sent something recently.
_KINDS = f"""
SELECT DISTINCT device, memory FROM workers
WHERE NOT draining AND (seen_at > {_RECENTLY} OR EXISTS (
    SELECT FROM leases WHERE worker_id = workers.id AND heard_at > {_RECENTLY}))
"""
_TOO_LARGE = """EXISTS (
    SELECT FROM memory_limits AS known
    WHERE known.device = {device} AND known.memory = {memory}
        AND known.exceeded <= trials.training_memory)"""
#: Whether one of `trials` may fit into the memory of a device that is there.
_FITS_SOMEWHERE = f"""EXISTS (
    SELECT FROM ({_KINDS}) AS kinds
    WHERE NOT {_TOO_LARGE.format(device="kinds.device", memory="kinds.memory")})"""
#: Whether one of `trials` is to be left to a device that has more memory than that of a worker.
FITS_ELSEWHERE = f"({_TOO_LARGE.format(device=':device', memory=':memory')} AND {_FITS_SOMEWHERE})"

#: Part of the statement that ends attempts: a completed training shows what fits. It follows a
#: CTE `ended` with trial_id, worker_id and new_status.
FITTED = """
fitted AS (
    UPDATE memory_limits
    SET fitted = shown.most, exceeded = CASE WHEN exceeded > shown.most THEN exceeded END
    FROM (
        SELECT workers.device, workers.memory, max(training_memory) AS most
        FROM ended JOIN trials ON trials.id = trial_id JOIN workers ON workers.id = ended.worker_id
        WHERE new_status = 'completed' GROUP BY 1, 2 ORDER BY 1, 2
    ) AS shown
    WHERE memory_limits.device = shown.device AND memory_limits.memory = shown.memory
        AND shown.most > coalesce(fitted, -1)
)"""

_LEARN = PreparedStatement(f"""
WITH tried AS (
    SELECT trial_id, device, memory, training_memory
    FROM leases JOIN workers ON workers.id = leases.worker_id JOIN trials ON trials.id = trial_id
    WHERE trial_id = :trial_id AND leases.attempt = :attempt AND token = :token
        AND training_memory IS NOT NULL
), learned AS (
    INSERT INTO memory_limits (device, memory, exceeded)
    SELECT device, memory, training_memory FROM tried
    ON CONFLICT (device, memory) DO UPDATE
    SET exceeded = least(memory_limits.exceeded, excluded.exceeded), exceeded_at = now(),
        fitted = CASE WHEN memory_limits.fitted < excluded.exceeded THEN memory_limits.fitted END
)
SELECT EXISTS (
    SELECT FROM ({_KINDS}) AS kinds
    WHERE (kinds.device, kinds.memory) <> (tried.device, tried.memory)
        AND NOT {_TOO_LARGE.format(device="kinds.device", memory="kinds.memory")}
) AS fits_elsewhere
FROM tried JOIN trials ON trials.id = trial_id
""")


def rounded(memory: int) -> int:
    """The memory of a device as its kind has it, in bytes."""
    return memory // _GRAIN * _GRAIN


def learn(connection: Connection, trial_id: UUID, report: TrialResult) -> bool:
    """Keep that the trial of a lease ran out of memory; whether it may fit into another device."""
    values = {"trial_id": trial_id, "attempt": report.attempt, "token": report.token}
    row = _LEARN.first(connection, values)
    return row is not None and bool(row.fits_elsewhere)


_EXCEEDED = text(f"""
SELECT CASE WHEN bool_and(exceeded IS NOT NULL) THEN max(exceeded) END
FROM ({_KINDS}) AS kinds LEFT JOIN memory_limits USING (device, memory)
""")


def exceeded(session: Session) -> int | None:
    """The estimate from which on every device that is there ran out of memory, if any is known."""
    found: int | None = session.scalar(_EXCEEDED)
    return found


def sweep(session: Session) -> None:
    """Forget what was learned more than a day ago."""
    session.execute(delete(MemoryLimit).where(MemoryLimit.exceeded_at < func.now() - _KEPT))
