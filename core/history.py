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
    epochs: int | None = None  # after which the value was measured
    planned_epochs: int | None = None  # that it was meant to be trained for
    latency: float | None = None  # seconds for one example, measured
    parent_id: UUID | None = None  # None: a start of its own
    morphisms: tuple[AbstractMorphism, ...] = ()  # from the parent's architecture

    @property
    def is_pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in LIVE_TRIAL

    @property
    def fidelity(self) -> float:
        """The share of its training after which the value was measured, in (0, 1].

        Only a stopped trial has less than 1: whoever completed was trained for as long as its
        search trains, also where it ended for want of improvement.
        """
        if self.status is not TrialStatus.STOPPED or not self.epochs or not self.planned_epochs:
            return 1.0
        return min(1.0, self.epochs / self.planned_epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An architecture that a strategy wants tried."""

    parent: Seen | None  # None: a start of its own
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture
    mean: float | None = None  # what the surrogate expects, in units of the metric
    std: float | None = None
