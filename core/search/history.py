"""What a strategy knows, is asked and answers: past trials, a request, suggestions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import UUID

import numpy as np

from core.graph.architecture import Architecture
from core.morphisms import AbstractMorphism
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import LIVE_TRIAL, TrialStatus

if TYPE_CHECKING:  # a slow import, which a trainer can do without
    from core.surrogate.prior_mean import PriorMean

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
    best_value: float = 1.0  # that any trial can have: `AbstractTask.value_range`
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
    network_id: UUID | None = None  # the network of a user that was enqueued as this trial
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
class Suggestion:
    """The chosen candidate, not yet stored."""

    architecture: Architecture
    parent: PastTrial | None = None  # None: a root of the lineage, its weights start at random
    morphisms: tuple[AbstractMorphism, ...] = ()  # from the parent's architecture to this one
    choices: TrainingChoices = USUAL
    predicted_mean: float | None = None  # by the surrogate, in units of the metric
    predicted_std: float | None = None

    @classmethod
    def child(
        cls,
        parent: PastTrial,
        morphisms: tuple[AbstractMorphism, ...],
        architecture: Architecture,
        *,
        predicted_mean: float | None = None,
        predicted_std: float | None = None,
    ) -> Self:
        """A child of a trial, to be trained under the same choices."""
        return cls(
            architecture=architecture,
            parent=parent,
            morphisms=morphisms,
            choices=parent.choices,
            predicted_mean=predicted_mean,
            predicted_std=predicted_std,
        )

    @property
    def parent_id(self) -> UUID | None:
        """The id of the parent; None for a root of the lineage."""
        return None if self.parent is None else self.parent.trial_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRequest:
    """What a strategy is asked: up to `count` suggestions within bounds, given the history.

    After `SuggestRequest` of OSS Vizier (Song et al. 2022, arXiv:2207.13676).
    """

    completed: Sequence[PastTrial] = ()  # trials that ended, infeasible ones included
    pending: Sequence[PastTrial] = ()  # not yet ended; must not be suggested again
    count: int = 1
    bounds: Bounds
    prior_mean: "PriorMean | None" = None  # learned from finished searches
    kept: PastTrial | None = None  # whose value smaller networks are to keep; None: none is
    rng: np.random.Generator  # the only source of randomness

    @property
    def trials(self) -> tuple[PastTrial, ...]:
        """All trials, the pending ones last."""
        return (*self.completed, *self.pending)

    @property
    def fingerprints(self) -> frozenset[str]:
        """The fingerprints of all architectures that are completed or pending."""
        return frozenset(trial.architecture.fingerprint for trial in self.trials)

    @property
    def with_weights(self) -> list[PastTrial]:
        """The completed trials whose weights a child may inherit."""
        return [trial for trial in self.completed if trial.inheritable]

    @property
    def parents(self) -> list[PastTrial]:
        """The possible parents: trials with weights; where there are none, all trials."""
        return self.with_weights or list(self.trials)
