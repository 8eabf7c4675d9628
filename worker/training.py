"""The training loop: `train`, over epochs of steps.

The learning rate follows a schedule over *progress*, which is the larger of the share of steps
made and the share of time used: a training that may take so many seconds still ends with a small
rate, however slow the machine is. With averaging on, the averaged weights are validated and kept,
so that a training at a constant rate shows what it is worth without the rate's fall.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import InfeasibleTrial
from core.protocol.contracts import Hyperparameters
from core.tasks import TASKS
from worker.averaging import WeightAverage
from worker.compute import Compute
from worker.data import Examples
from worker.ensemble import Ensemble
from worker.learning import LearningCheck
from worker.mixing import Mixing
from worker.network import Network
from worker.optimisers import optimisers_of
from worker.tasks import LOSSES, AbstractLoss

EVALUATION_BATCH = 512
_MOST_REPORTS = 100  # of one training, about; each costs an evaluation
_REPORT_SECONDS = 5.0  # after which a report is due in any case: somebody may be watching
_ROUNDING = 1e-9  # of metrics
_CHECKED_STEPS = 50  # the loss is looked at so often: a look waits for a GPU
_FIRST_RATE, _LAST_RATE = 0.04, 0.002  # of the peak


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """What one epoch came to; the validation fields are None without validation."""

    epoch: int  # from 1
    train_loss: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    seconds: float  # since the training began


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The mean metric and loss over some examples."""

    metric: float
    loss: float
    examples: int
    calibrated_loss: float = math.nan  # see worker.tasks; NaN where it was not measured


@dataclass(slots=True)
class Outcome:
    """What a training came to. The network has the weights of the best epoch."""

    stopped: bool = False  # by `should_stop`
    behind: bool = False  # ended at the rung, as others were better there
    best: Evaluation | None = None  # on the validation examples
    best_epoch: int = 0
    at_rung: Evaluation | None = None  # after the share `Hyperparameters.rung` of the training
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    samples_per_second: float = 0.0
    history: list[EpochMetrics] = field(default_factory=list)


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
    """Train the network in place; raises InfeasibleTrial when the loss is not finite any more.

    With `keep_last`, or without validation examples, the last epoch counts as the best. With
    `chance_loss`, that of predicting the classes' frequencies, a training that is no better
    after a tenth of it is infeasible. The networks of an ensemble learn from the same batches, each
    by its own loss: trained on the loss of their mean they were worse.
    """
    h = hyperparameters
    generator = torch.Generator().manual_seed(seed)  # batches and augmentation
    network.seed(seed, compute.device)  # dropout
    batch = min(h.batch_size, len(training))
    epoch_steps = max(1, len(training) // batch)
    average = WeightAverage(network, h.averaging) if h.averaging else None
    optimisers = optimisers_of(network, h)  # the first of a process takes a second: not counted
    progress = _Progress(h, h.epochs * epoch_steps, clock)
    steps = _Steps(
        network,
        LOSSES[task](),
        optimisers,
        average,
        h,
        compute,
        progress,
        epoch_steps,
        LearningCheck(chance_loss),
        Mixing(h.mixing, seed),
    )
    batches = _endless(training, h.batch_size, generator)
    outcome, kept = Outcome(), _Kept(network, average, keep_last)
    evaluating = 0.0  # seconds; not part of the speed
    while not outcome.steps or (progress(outcome.steps) < 1 and not outcome.stopped):
        loss, rate = steps.round(batches, outcome, should_stop, on_step)
        before = clock()
        with average.applied() if average else nullcontext():
            found = None if validation is None else evaluate(network, validation, task, compute)
            kept.look(found, outcome)
        evaluating += clock() - before
        outcome.history.append(_metrics(outcome.epochs, loss, found, rate, progress.seconds))
        on_epoch(outcome.history[-1])
        if _ends(outcome, found, h, progress(outcome.steps)):
            break
    kept.write()
    outcome.seconds = progress.seconds
    outcome.samples_per_second = outcome.steps * batch / max(outcome.seconds - evaluating, 1e-9)
    return outcome


def _ends(outcome: Outcome, found: Evaluation | None, h: Hyperparameters, progress: float) -> bool:
    """Whether a training ends before its time: behind others at its rung, or without progress."""
    if progress >= h.rung and outcome.at_rung is None:
        outcome.at_rung = found
        outcome.behind = _is_below(found, h.least_at_rung)
    is_stale = h.patience is not None and outcome.epochs - outcome.best_epoch >= h.patience
    return outcome.behind or is_stale


@dataclass(slots=True)
class _Kept:
    """Which of a training's weights the network has in the end: the best or the last ones."""

    network: Network | Ensemble
    average: WeightAverage | None
    last: bool
    _best: dict[str, Any] | None = None  # None: the last ones

    def look(self, found: Evaluation | None, outcome: Outcome) -> None:
        """Keep the present weights where they are the best, or to be kept in any case."""
        keeps = found is None or self.last
        if keeps or _is_better(found, outcome.best):
            outcome.best, outcome.best_epoch = found, outcome.epochs
            self._best = None if keeps else copy.deepcopy(self.network.state_dict())

    def write(self) -> None:
        """Let the network have the weights that are kept."""
        if self._best is not None:
            self.network.load_state_dict(self._best)
        elif self.average:
            self.average.write()


class _Progress:
    """How much of a training is behind it, by steps and by time: 1 at its end."""

    def __init__(self, h: Hyperparameters, steps: int, clock: Callable[[], float]) -> None:
        self._most_steps, self._most_seconds = steps, h.max_seconds
        self._clock, self._began = clock, clock()

    @property
    def seconds(self) -> float:
        """Since the training began."""
        return self._clock() - self._began

    def __call__(self, steps: int) -> float:
        share = steps / self._most_steps
        return max(share, self.seconds / self._most_seconds) if self._most_seconds else share


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps of the optimisers along the schedule of the learning rate."""

    network: Network | Ensemble
    loss_of: AbstractLoss
    optimisers: tuple[torch.optim.Optimizer, ...]
    average: WeightAverage | None
    h: Hyperparameters
    compute: Compute
    progress: _Progress
    epoch_steps: int
    learning: LearningCheck
    mixing: Mixing

    def round(
        self,
        batches: Iterator[tuple[Tensor, Tensor]],
        outcome: Outcome,
        should_stop: Callable[[], bool],
        on_step: Callable[[int], None],
    ) -> tuple[float, float]:
        """Train until there is something to report: the mean loss and the last learning rate.

        That is an epoch, or several where there would be too many reports; or it ends before, at
        the rung or the end of the training.
        """
        self.network.train()
        began, since = self.progress(outcome.steps), self.progress.seconds
        total, counted, rate = torch.zeros((), device=self.compute.device), 0, 0.0
        for x, y in batches:
            at = min(1.0, self.progress(outcome.steps))
            rate = self.h.learning_rate * rate_share(at, self.h.warmup, self.h.decay)
            loss = self._step(x, y, rate)
            total += loss
            counted += 1
            outcome.steps += 1
            on_step(outcome.steps)
            self.learning.look(outcome.steps, at, loss)
            if outcome.steps % _CHECKED_STEPS == 0:
                _check_finite(total)
            outcome.stopped = should_stop()
            if outcome.stopped or self._reports(began, since, outcome.steps):
                break
        _check_finite(total)
        outcome.epochs = -(-outcome.steps // self.epoch_steps)
        return float(total) / counted, rate

    def _reports(self, began: float, since: float, steps: int) -> bool:
        """Whether a round that began at some progress and time ends after this many steps."""
        now = self.progress(steps)
        if now >= 1 or began < self.h.rung <= now:
            return True
        is_due = (
            now - began > 0.999 / _MOST_REPORTS or self.progress.seconds - since > _REPORT_SECONDS
        )
        return is_due and steps % self.epoch_steps == 0

    def _outputs(self, x: Tensor) -> list[Tensor]:
        return [network(x) for network in self.network.networks]

    def _loss(self, outputs: list[Tensor], targets: Tensor) -> Tensor:
        """The losses of all networks added up, so that each has the gradient that it has alone."""
        smoothing = self.h.label_smoothing
        return reduce(torch.add, [self.loss_of.loss(one, targets, smoothing) for one in outputs])

    def _step(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """The mean loss of the networks on a batch, before the step that it leads to."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("rate_share", 1.0)
        with self.compute.autocast():
            loss = self.mixing.loss(self._outputs, self._loss, x, y)
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        if self.average:
            self.average.update()
        return loss.detach() / len(self.network.networks)


def _endless(
    examples: Examples, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch after the other."""
    while True:
        yield from examples.training_batches(size, generator)


def _metrics(
    epoch: int, loss: float, found: Evaluation | None, rate: float, seconds: float
) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch,
        train_loss=loss,
        validation_loss=None if found is None else found.loss,
        validation_metric=None if found is None else found.metric,
        learning_rate=rate,
        seconds=seconds,
    )


@torch.inference_mode()
def evaluate(network: nn.Module, examples: Examples, task: str, compute: Compute) -> Evaluation:
    """The metric and loss over all examples, in evaluation mode; raises InfeasibleTrial."""
    loss_of = LOSSES[task]()
    network.eval()
    metric = torch.zeros((), device=compute.device)
    loss = torch.zeros((), device=compute.device)
    seen, labels = [], []
    for x, y in examples.batches(EVALUATION_BATCH):
        with compute.autocast():
            outputs = network(x)
        loss += loss_of.loss(outputs, y) * len(y)
        metric += loss_of.metric_sum(outputs, y)
        seen.append(outputs)
        labels.append(y)
    _check_finite(loss)
    calibrated = loss_of.calibrated_loss(torch.cat(seen), torch.cat(labels))
    n = len(examples)
    return Evaluation(float(metric) / n, float(loss) / n, n, float(calibrated))


def rate_share(progress: float, warmup: float, decay: float) -> float:
    """The learning rate at that progress, as a share of its peak: a rise, a level, a fall.

    `decay` is the last share of the training, over which the rate falls along half a cosine
    (Loshchilov & Hutter 2017, arXiv:1608.03983; for the level before it Hägele et al. 2024,
    arXiv:2405.18392): 1 falls from the end of the rise on, 0 never.
    """
    if progress < warmup:
        return _FIRST_RATE + (1 - _FIRST_RATE) * progress / warmup
    falling = progress - max(warmup, 1 - decay)
    if decay == 0 or falling <= 0:
        return 1.0
    phase = min(1.0, falling / min(decay, 1 - warmup))
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * phase)) / 2


def value_std(task: str, evaluation: Evaluation) -> float:
    """The standard error of a validation metric, from the number of examples."""
    return TASKS[task]().value_std(evaluation.metric, evaluation.examples)


def _is_better(found: Evaluation | None, best: Evaluation | None) -> bool:
    """A higher metric, or the same with a lower loss."""
    if found is None:
        return False
    return best is None or (found.metric, -found.loss) > (best.metric, -best.loss)


def _is_below(found: Evaluation | None, least: float | None) -> bool:
    """Whether it is clearly below: a sum of equal shares may be rounded."""
    return found is not None and least is not None and found.metric < least - _ROUNDING


def _check_finite(total: Tensor) -> None:
    if not math.isfinite(float(total)):
        raise InfeasibleTrial(f"the loss is {float(total)}: the training has diverged")
