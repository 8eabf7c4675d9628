"""The trial and the outcome of a search in one process."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from core.graph.architecture import Architecture
from core.morphisms import AbstractMorphism
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.search.history import USUAL, PastTrial
from worker.messages import Ended


@dataclass(slots=True, kw_only=True)
class Trial:
    """One trial, from its suggestion to its end."""

    number: int
    architecture: Architecture
    parent: "Trial | None" = None  # whose weights it starts with
    members: "tuple[Trial, ...]" = ()  # whose networks a final fit joins, the parent first
    morphisms: tuple[AbstractMorphism, ...] = ()
    choices: TrainingChoices = USUAL
    kind: TrialKind = TrialKind.SEARCH
    hyperparameters: Hyperparameters | None = None
    status: TrialStatus = TrialStatus.WAITING
    started: float = 0.0  # on the search's clock, like all times
    ended: float = 0.0
    result: Ended | None = None

    @property
    def trial_id(self) -> UUID:
        """The number as an id."""
        return UUID(int=self.number + 1)

    @property
    def value(self) -> float | None:
        """The metric on the validation split."""
        return None if self.result is None else self.result.value

    @property
    def lineage(self) -> Iterator["Trial"]:
        """The trial itself, its parent, and so on."""
        trial: Trial | None = self
        while trial is not None:
            yield trial
            trial = trial.parent

    @property
    def ancestry(self) -> "list[Trial]":
        """The trial itself, its ancestors, and the members that it joins with their ancestors."""
        lines = [self.lineage, *(member.lineage for member in self.members)]
        return list({trial.number: trial for line in lines for trial in line}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """The state of a search at its end, or until now."""

    status: SearchStatus
    reason: str
    seconds: float  # on the search's clock, export included
    trials: list[Trial]  # the final fit is the last, where there is one

    @property
    def final(self) -> Trial | None:
        """The final fit; None where there is none."""
        last = self.trials[-1] if self.trials else None
        return last if last is not None and last.kind is TrialKind.FINAL else None

    @property
    def compute_in_winner(self) -> float | None:
        """The share of all seconds of training that went into the exported network."""
        spent = sum(training_seconds(trial) for trial in self.trials)
        if self.final is None or not spent:
            return None
        return sum(training_seconds(trial) for trial in self.final.ancestry) / spent


def past_trial(trial: Trial) -> PastTrial:
    """A trial as strategies see it."""
    result = trial.result
    base = PastTrial(
        trial_id=trial.trial_id,
        number=trial.number,
        architecture=trial.architecture,
        status=trial.status,
        parent_id=None if trial.parent is None else trial.parent.trial_id,
        morphisms=trial.morphisms,
        choices=trial.choices,
    )
    if result is None:
        return base
    ended_well = result.status in {TrialStatus.COMPLETED, TrialStatus.STOPPED}
    return replace(
        base,
        value=result.value,
        value_std=result.value_std,
        inheritable=ended_well and result.weights is not None,
        epochs=result.epochs or None,
        seconds=result.seconds,
        samples_per_second=result.samples_per_second,
        validation_loss=result.validation_loss,
        value_at_rung=result.value_at_rung,
        latency=result.latency,
    )


def training_seconds(trial: Trial) -> float:
    """The seconds of the trial's own training; 0 before it has ended."""
    return 0.0 if trial.result is None else trial.result.seconds
