"""What the next step of a search depends on, as plain rows of the database.

This module knows no SQL, so that the process that computes the step need not import it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from core.search.history import PastTrial

Row = Mapping[str, Any]  # values by column

#: Fields of a past trial that are not columns with the same values.
_CONVERTED = {
    "trial_id", "architecture", "status", "inheritable", "epochs", "planned_epochs", "share",
    "morphisms", "choices", "best_value", "parent_id",
}  # fmt: skip
#: Columns of a trial that strategies see as they are; a new field of `PastTrial` joins by itself.
PLAIN = tuple(field.name for field in fields(PastTrial) if field.name not in _CONVERTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedSearch:
    """A search that had ended before another one was created, as the database keeps it."""

    config: Row
    dataset: Row
    trials: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """What the next step of a search depends on, as the database keeps it."""

    search_id: UUID
    next_number: int
    count: int  # suggestions requested
    config: Row  # core.protocol.contracts.search_config.SearchConfig
    bounds: Row  # core.protocol.contracts.bounds.Bounds
    dataset: Row  # core.protocol.contracts.datasets.DatasetSpec
    elapsed: float  # seconds since the search's start
    epochs_left: int | None  # that new trials may reserve; None: no limit
    trials: tuple[Row, ...]  # see `api.store.live_searches.past`
    exceeded_memory: int | None = None  # see `api.store.memory_limits`
    root: Row | None = None  # the architecture that a user gave, as JSON
    earlier: tuple[CompletedSearch, ...] = ()  # finished ones, while this one has few trials
