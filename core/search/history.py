"""What a strategy knows: the earlier trials of a search; and what it answers."""

from dataclasses import dataclass
from uuid import UUID

from core.graph.architecture import Architecture
from core.morphisms import AbstractMorphism
from core.protocol.contracts import TrainingChoices
from core.protocol.states import LIVE_TRIAL, TrialStatus

USUAL = TrainingChoices()


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrial:
    """One earlier trial."""

    trial_id: UUID
    number: int
    architecture: Architecture
    status: TrialStatus
    value: float | None = None  # the objective; larger is better
    value_std: float | None = None  # its standard error
    validation_loss: float | None = None
    value_at_rung: float | None = None  # after the first part of its training
    inheritable: bool = False  # has weights, so may be a parent
    epochs: int | None = None  # after which the value was measured
    planned_epochs: int | None = None  # that it was meant to be trained for
    seconds: float | None = None  # of its own training
    samples_per_second: float | None = None  # while training
    share: float | None = None  # of the final network's training that its lineage has had
    latency: float | None = None  # seconds for one example, measured
    parent_id: UUID | None = None  # None: a start of its own
    morphisms: tuple[AbstractMorphism, ...] = ()  # from the parent's architecture
    choices: TrainingChoices = USUAL

    @property
    def is_pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in LIVE_TRIAL

    @property
    def has_failed(self) -> bool:
        """Whether it ended without anything to go on from."""
        return self.status in {TrialStatus.FAILED, TrialStatus.LOST, TrialStatus.INFEASIBLE}

    @property
    def fidelity(self) -> float:
        """The share of its training after which the value was measured, in (0, 1].

        Where `share` is known it is that. Otherwise only a stopped trial has less than 1: a
        completed one was trained as long as its search trains, also where it ended early for
        want of improvement.
        """
        if self.share is not None:
            return self.share
        if self.status is not TrialStatus.STOPPED or not self.epochs or not self.planned_epochs:
            return 1.0
        return min(1.0, self.epochs / self.planned_epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An architecture that a strategy wants tried."""

    parent: PastTrial | None  # None: a start of its own
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture
    mean: float | None = None  # what the surrogate expects, in units of the metric
    std: float | None = None
    choices: TrainingChoices | None = None  # None: those of the parent
