"""Pieces of SQL that the statements of the hot path share."""

from collections.abc import Iterable

from api.models.trials import Epoch
from api.store.notifications import CHANGES, WORK
from core.tasks import TASKS

LARGEST = 2**31 - 1  # of an integer column
LARGEST_BIG = 2**63 - 1  # of a bigint column
MOST_EPOCHS = 10_000_000  # of an attempt; the sum over all attempts must fit an integer column


def listed(values: Iterable[str]) -> str:
    """The members of a closed set, for an `IN (…)`."""
    return ", ".join(f"'{value}'" for value in sorted(values))


_MINIMISED = {
    one.kind for task in TASKS.values() for one in task.metrics if not one.larger_is_better
}
#: -1 where less of the metric of `searches` is better, else 1: the factor between a value and the
#: metric that people read.
METRIC_SIGN = f"CASE WHEN searches.config->>'metric' IN ({listed(_MINIMISED)}) THEN -1 ELSE 1 END"


#: Whether a row of `keys` opens anything: `api.store.keys.are_open` as text.
OPEN_KEY = "(keys.revoked_at IS NULL AND (keys.expires_at IS NULL OR keys.expires_at > now()))"

#: The columns of an epoch beside its key.
EPOCH_METRICS = [column.name for column in Epoch.__table__.columns if not column.primary_key]

#: Raises versions, in the order of their ids; follows a CTE `moved` with the ids of the searches.
BUMPED = """
bumped AS (
    UPDATE versions SET version = version + 1
    FROM (
        SELECT search_id FROM versions WHERE search_id IN (SELECT search_id FROM moved)
        ORDER BY search_id FOR NO KEY UPDATE
    ) AS ordered
    WHERE versions.search_id = ordered.search_id
    RETURNING versions.search_id
)"""
NOTIFY_CHANGES = f"(SELECT count(pg_notify('{CHANGES}', search_id::text)) FROM bumped) AS changes"
NOTIFY_WORK = (
    f"(SELECT count(pg_notify('{WORK}', '')) FROM (SELECT FROM bumped LIMIT 1) AS any_) AS work"
)


def clamped(value: int, largest: int = LARGEST) -> int:
    """The nearest number that an integer column can store: messages have no such limit."""
    return max(-largest, min(value, largest))


def printable(text: str) -> str:
    """The text without NUL characters, which Postgres cannot store."""
    return text.replace("\0", "")
