"""What a strategy knows: the earlier trials of a search; and what it answers."""

from dataclasses import dataclass
from uuid import UUID

from core.architecture import Architecture
from core.morphisms import AbstractMorphism
from core.trial import LIVE_TRIAL, TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One earlier trial."""

    trial_id: UUID
    number: int
    architecture: Architecture
    status: TrialStatus
    value: float | None = None  # the objective; larger is better
    value_std: float | None = None  # its standard error
    inheritable: bool = False  # has weights, so may be a parent

    @property
    def is_pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in LIVE_TRIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An architecture that a strategy wants tried."""

    parent: Seen | None  # None: a start of its own
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture
    mean: float | None = None  # what the surrogate expects, in units of the metric
    std: float | None = None
