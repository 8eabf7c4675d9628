"""The training loop: `train` alternates rounds of steps and evaluations.

With averaging on, the averaged weights are evaluated and kept, so that a training at a constant
learning rate shows what it would be worth after the rate's fall.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.protocol.contracts import EpochMetrics, Hyperparameters
from core.tasks import TASKS
from worker.trainer.data.examples import Examples
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.checks import LearningCheck
from worker.trainer.training.evaluation import Evaluation, evaluate
from worker.trainer.training.kept_weights import KeptWeights
from worker.trainer.training.rounds import Rounds
from worker.trainer.training.schedule import TrainingProgress
from worker.trainer.training.step import TrainingStep

_ROUNDING = 1e-9  # of objectives


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
    task: str,
    seed: int,
    compute: Compute,
    keep_last: bool = False,
    chance_loss: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train the network in place.

    With `keep_last`, or without validation examples, the last epoch counts as the best.
    `chance_loss` is that of the best constant prediction: a training that is no better after a
    tenth of it is infeasible.

    Raises:
        InfeasibleTrial: the loss is not finite any more, or nothing is learned.
    """
    h = hyperparameters
    network.seed(seed, compute.device)  # dropout
    average = WeightAverage(network, h.averaging) if h.averaging else None
    step = TrainingStep.of(network, h, average, task=task, seed=seed, compute=compute)
    batch = min(h.batch_size, len(training))
    rounds = Rounds(
        step=step,
        batches=_endless_batches(training, batch, seed),
        h=h,
        progress=TrainingProgress(h, max(1, len(training) // batch), clock),
        learning=LearningCheck(chance_loss),
        should_stop=should_stop,
        on_step=on_step,
    )
    kept = KeptWeights(network=network, average=average, task=TASKS[task](), keep_last=keep_last)
    return _Loop(rounds, kept, validation, task, on_epoch, clock).run(batch)


def _endless_batches(examples: Examples, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch after the other; the seed decides order and augmentation."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from examples.training_batches(size, generator)


@dataclass(slots=True)
class _Loop:
    """A training between its first round and its outcome."""

    rounds: Rounds
    kept: KeptWeights
    validation: Examples | None
    task: str
    on_epoch: Callable[[EpochMetrics], None]
    clock: Callable[[], float]
    history: list[EpochMetrics] = field(default_factory=list)
    at_rung: Evaluation | None = None
    behind: bool = False
    evaluation_seconds: float = 0.0  # not part of the speed

    def run(self, batch: int) -> Outcome:
        """Train to the end; `batch` is the number of examples of one step."""
        while self._goes_on():
            loss, rate = self.rounds.train()
            evaluation = self._evaluate()
            self._report(loss, rate, evaluation)
            if self._ends_early(evaluation):
                break
        self.kept.restore()
        return self._outcome(batch)

    def _goes_on(self) -> bool:
        progress = self.rounds.progress
        return not progress.steps or (progress.share < 1 and not self.rounds.stopped)

    def _evaluate(self) -> Evaluation | None:
        """Evaluate the weights, averaged where that is on, and keep them if they are the best."""
        began, average, network = self.clock(), self.kept.average, self.kept.network
        with average.applied() if average else nullcontext():
            evaluation = None
            if self.validation is not None:
                compute = self.rounds.step.compute
                evaluation = evaluate(network, self.validation, self.task, compute)
            self.kept.consider(evaluation, self.rounds.progress.epochs)
        self.evaluation_seconds += self.clock() - began
        return evaluation

    def _report(self, loss: float, rate: float, evaluation: Evaluation | None) -> None:
        metrics = EpochMetrics(
            epoch=self.rounds.progress.epochs,
            train_loss=loss,
            validation_loss=None if evaluation is None else evaluation.loss,
            validation_metric=None if evaluation is None else evaluation.metric,
            learning_rate=rate,
            seconds=self.rounds.progress.seconds,
        )
        self.history.append(metrics)
        self.on_epoch(metrics)

    def _ends_early(self, evaluation: Evaluation | None) -> bool:
        """Whether it ends here: behind others at its rung, or without improvement for too long."""
        h, progress = self.rounds.h, self.rounds.progress
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

    def _outcome(self, batch: int) -> Outcome:
        progress = self.rounds.progress
        seconds = progress.seconds
        training_seconds = max(seconds - self.evaluation_seconds, 1e-9)
        return Outcome(
            stopped=self.rounds.stopped,
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
