"""The training loop: `train` alternates rounds of steps and evaluations.

A round is an epoch, or several where there would be too many reports; it ends earlier at the rung,
at a stop, and at the end of the training.

With averaging on, the averaged weights are evaluated and kept, so that a training at a constant
learning rate shows what it would be worth after the rate's fall.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.errors import NetmorphError
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.reports import EpochMetrics
from worker.tasks import AbstractLoss, loss_of
from worker.trainer.data.examples import Examples
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.checkpointer import Checkpointer, Snapshot
from worker.trainer.training.checks import LearningCheck, check_finite, check_finite_weights
from worker.trainer.training.evaluation import Evaluation, evaluate
from worker.trainer.training.kept_weights import KeptWeights
from worker.trainer.training.schedule import TrainingProgress, rate_share
from worker.trainer.training.state import State, copied
from worker.trainer.training.step import TrainingStep

_ROUNDING = 1e-9  # of objectives
_MOST_REPORTS = 100  # about, of one training; each costs an evaluation
# Just below 1 / reports, as sums of shares are rounded.
_ROUNDED_SHARE = 0.999 / _MOST_REPORTS  # least part of a training in a round
_REPORT_SECONDS = 5.0  # after which a report is due in any case: a user may be watching
_CHECKED_STEPS = 50  # steps between two checks of the loss: a check waits for the GPU


class TrainingInterrupted(NetmorphError):
    """The training was handed back before its end: another worker continues it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a training went. The network has the weights of the best epoch."""

    stopped: bool = False  # by `should_stop`
    behind: bool = False  # ended at the rung, as others were better there
    best: Evaluation | None = None  # on the validation examples
    best_epoch: int = 0
    at_rung: Evaluation | None = None  # after the share `Hyperparameters.rung` of the training
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    samples_per_second: float = 0.0
    history: tuple[EpochMetrics, ...] = ()


def train(
    network: Network | Ensemble,
    training: Examples,
    validation: Examples | None,
    hyperparameters: Hyperparameters,
    *,
    task: str | AbstractLoss,
    seed: int,
    compute: Compute,
    keep_last: bool = False,
    chance_loss: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    clock: Callable[[], float] = time.monotonic,
    checkpointer: Checkpointer | None = None,
    state: State | None = None,
) -> Outcome:
    """Train the network in place.

    With `keep_last`, or without validation examples, the last epoch counts as the best.
    `chance_loss` is that of the best constant prediction: a training that is no better after a
    tenth of it is infeasible. `state`, from a snapshot of the `checkpointer`, continues an earlier
    training with the same arguments: on a CPU the result is the same, bit for bit.

    Raises:
        InfeasibleTrial: loss or weights are not finite any more, or nothing is learned.
        TrainingInterrupted: `checkpointer` asked to hand the training back.
    """
    h, loss = hyperparameters, loss_of(task)
    network.seed(seed, compute.device)  # dropout
    average = WeightAverage(network, h.averaging) if h.averaging else None
    step = TrainingStep.of(network, h, average, task=loss, seed=seed, compute=compute)
    batch = min(h.batch_size, len(training))
    progress = TrainingProgress(h, max(1, len(training) // batch), clock)
    loop = _Loop(
        h=h,
        loss=loss,
        step=step,
        batches=_Batches(training, batch, seed, lambda: progress.is_augmented),
        validation=validation,
        progress=progress,
        learning=LearningCheck(chance_loss),
        kept=KeptWeights(network=network, average=average, task=loss.task, keep_last=keep_last),
        should_stop=should_stop,
        on_step=on_step,
        on_epoch=on_epoch,
        clock=clock,
        checkpointer=checkpointer or Checkpointer(),
    )
    if state is not None:
        loop.restore(state)
    loop.run()
    return loop.outcome(batch)


class _Batches:
    """The batches of one epoch after the other; the seed decides order and augmentation."""

    def __init__(
        self, examples: Examples, size: int, seed: int, is_augmented: Callable[[], bool]
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self._examples, self._size, self._is_augmented = examples, size, is_augmented
        self._left = self._epochs()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._left

    def _epochs(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self._examples.training_batches(
                self._size, self.generator, self._is_augmented
            )


@dataclass(slots=True, kw_only=True)
class _Loop:
    """A training between its first step and its outcome."""

    h: Hyperparameters
    loss: AbstractLoss
    step: TrainingStep
    batches: _Batches
    validation: Examples | None
    progress: TrainingProgress
    learning: LearningCheck
    kept: KeptWeights
    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    on_epoch: Callable[[EpochMetrics], None]
    clock: Callable[[], float]
    checkpointer: Checkpointer
    history: list[EpochMetrics] = field(default_factory=list)
    at_rung: Evaluation | None = None
    behind: bool = False
    stopped: bool = False  # by `should_stop`
    evaluation_seconds: float = 0.0  # not part of the speed

    def run(self) -> None:
        """Train to the end, and give the network the weights that are kept."""
        while self._goes_on():
            loss, rate = self._train_round()
            evaluation = self._evaluate()
            self._report(loss, rate, evaluation)
            if self._ends_early(evaluation):
                break
            self._checkpoint()
        self.kept.restore()

    def restore(self, state: State) -> None:
        """Continue from the state of a snapshot of the same training."""
        device = self.step.compute.device
        self.progress.resume(state["steps"], state["seconds"])
        self.evaluation_seconds = state["evaluation_seconds"]
        self.history = [EpochMetrics.model_validate(metrics) for metrics in state["history"]]
        self.batches.generator.set_state(state["batches"])
        self.step.restore(state["step"])
        self.learning.restore(state["learning"], device)
        self.kept.restore_state(state["kept"], device)
        if "at_rung" in state:
            self.at_rung = Evaluation.of_state(state["at_rung"], device)

    def outcome(self, batch: int) -> Outcome:
        """How the training went; `batch` is the number of examples of one step."""
        progress, seconds = self.progress, self.progress.seconds
        training_seconds = max(seconds - self.evaluation_seconds, 1e-9)
        return Outcome(
            stopped=self.stopped,
            behind=self.behind,
            best=self.kept.evaluation,
            best_epoch=self.kept.epoch,
            at_rung=self.at_rung,
            epochs=progress.epochs,
            steps=progress.steps,
            seconds=seconds,
            samples_per_second=progress.steps * batch / training_seconds,
            history=tuple(self.history),
        )

    def _goes_on(self) -> bool:
        return not self.progress.steps or (self.progress.share < 1 and not self.stopped)

    def _train_round(self) -> tuple[float, float]:
        """Train for one round; returns the mean loss and the last learning rate."""
        self.step.network.train()
        began, since = self.progress.share, self.progress.seconds
        total, counted, rate = torch.zeros((), device=self.step.compute.device), 0, 0.0
        for x, y in self.batches:
            rate, loss = self._train_on(x, y)
            total += loss
            counted += 1
            if self.progress.steps % _CHECKED_STEPS == 0:
                check_finite(total)
            if self.checkpointer.should_hand_back():
                raise TrainingInterrupted("the training was handed back")
            self.stopped = self.should_stop()
            if self.stopped or self._ends_round(began, since):
                break
        check_finite(total)
        check_finite_weights(self.step.network)
        return float(total) / counted, rate

    def _train_on(self, x: Tensor, y: Tensor) -> tuple[float, Tensor]:
        """Make one step; returns its learning rate and loss."""
        done = min(1.0, self.progress.share)
        rate = self.h.learning_rate * rate_share(done, self.h.warmup, self.h.decay)
        loss = self.step(x, y, rate)
        self.progress.steps += 1
        self.on_step(self.progress.steps)
        self.learning.add(self.progress.steps, done, loss)
        return rate, loss

    def _ends_round(self, began: float, since: float) -> bool:
        """Whether the round that began at this share and second of the training ends here."""
        now = self.progress.share
        if now >= 1 or began < self.h.rung <= now:
            return True
        is_due = now - began > _ROUNDED_SHARE or self.progress.seconds - since > _REPORT_SECONDS
        return is_due and self.progress.steps % self.progress.epoch_steps == 0

    def _evaluate(self) -> Evaluation | None:
        """Evaluate the weights, averaged where that is on, and keep them if they are the best."""
        began, average, network = self.clock(), self.step.average, self.step.network
        with average.applied() if average else nullcontext():
            evaluation = None
            if self.validation is not None:
                evaluation = evaluate(network, self.validation, self.loss, self.step.compute)
            self.kept.consider(evaluation, self.progress.epochs)
        self.evaluation_seconds += self.clock() - began
        return evaluation

    def _report(self, loss: float, rate: float, evaluation: Evaluation | None) -> None:
        metrics = EpochMetrics(
            epoch=self.progress.epochs,
            train_loss=loss,
            validation_loss=None if evaluation is None else evaluation.loss,
            validation_metric=None if evaluation is None else evaluation.metric,
            learning_rate=rate,
            seconds=self.progress.seconds,
        )
        self.history.append(metrics)
        self.on_epoch(metrics)

    def _checkpoint(self) -> None:
        """Offer the state to the checkpointer; only from the end of an epoch can one continue."""
        if self.progress.steps % self.progress.epoch_steps == 0 and not self.stopped:
            self.checkpointer.at_epoch(self._snapshot)

    def _snapshot(self) -> Snapshot:
        seconds = self.progress.seconds
        state: State = {
            "steps": self.progress.steps,
            "seconds": seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "history": [metrics.model_dump() for metrics in self.history],
            "batches": self.batches.generator.get_state(),
            "step": self.step.state(),
            "learning": self.learning.state(),
            "kept": self.kept.state(),
        }
        if self.at_rung is not None:
            state["at_rung"] = self.at_rung.state()
        return Snapshot(self.progress.epochs, seconds, copied(state))

    def _ends_early(self, evaluation: Evaluation | None) -> bool:
        """Whether it ends here: behind others at its rung, or without improvement for too long."""
        h, progress = self.h, self.progress
        if progress.share >= h.rung and self.at_rung is None:
            self.at_rung = evaluation
            self.behind = self._is_below(evaluation, h.least_at_rung)
        is_stale = h.patience is not None and progress.epochs - self.kept.epoch >= h.patience
        return self.behind or is_stale

    def _is_below(self, evaluation: Evaluation | None, least: float | None) -> bool:
        """Whether the objective is clearly below: a sum of equal shares may be rounded."""
        if evaluation is None or least is None:
            return False
        return self.kept.task.objective(evaluation.metric) < least - _ROUNDING
