"""The epochs that a report brings, as SQL: a report of a training has some, its result the last."""

from collections.abc import Iterable
from typing import Any

from api.store.fragments import EPOCH_METRICS, MOST_EPOCHS, clamped
from core.protocol.contracts.reports import EpochMetrics

_METRICS = ", ".join(EPOCH_METRICS)
_COLUMNS = ", ".join(f"{name} float8" for name in EPOCH_METRICS)

#: What a call has of its epochs, as columns; no epochs: NULL.
EPOCHS = {"first_epoch": "integer", "last_epoch": "integer", "gathered": "json"}


def epochs_of(epochs: Iterable[EpochMetrics]) -> dict[str, Any]:
    """The epochs of a call as its columns; of two with the same number the last one counts."""
    found = {clamped(one.epoch, MOST_EPOCHS): one for one in epochs}
    rows = [
        {name: getattr(one, name) for name in EPOCH_METRICS} | {"epoch": number}
        for number, one in found.items()
    ]
    return {
        "first_epoch": min(found, default=None),
        "last_epoch": max(found, default=None),
        "gathered": rows or None,
    }


def added_epochs(calls: str, attempt: str) -> str:
    """A CTE `added` that stores the epochs of a CTE `calls`, whose attempt is the column `attempt`.

    An epoch that is trained again, from a checkpoint before it, replaces its earlier metrics. It
    returns the trials of which something has changed.
    """
    return f"""
added AS (
    INSERT INTO epochs (trial_id, attempt, epoch, {_METRICS})
    SELECT {calls}.trial_id, {attempt}, one.epoch, {", ".join(f"one.{m}" for m in EPOCH_METRICS)}
    FROM {calls} CROSS JOIN LATERAL json_to_recordset(gathered) AS one(epoch integer, {_COLUMNS})
    ON CONFLICT (trial_id, attempt, epoch) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in EPOCH_METRICS)}
    WHERE ({", ".join(f"epochs.{name}" for name in EPOCH_METRICS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in EPOCH_METRICS)})
    RETURNING trial_id
)"""
