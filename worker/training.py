"""The training loop: `train`, over epochs of steps.

The learning rate follows one cycle over *progress*, which is the larger of the share of steps
made and the share of time used: a training that may take so many seconds still ends with a small
rate, however slow the machine is (cf. Smith 2018, arXiv:1803.09820; Loshchilov & Hutter 2017,
arXiv:1608.03983 for the cosine).
"""

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.contracts import Hyperparameters, Optimiser
from core.errors import InfeasibleTrial
from core.tasks import TASKS
from worker.compute import Compute
from worker.data import Examples
from worker.network import Network
from worker.tasks import LOSSES, AbstractLoss

EVALUATION_BATCH = 512
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


@dataclass(slots=True)
class Outcome:
    """What a training came to. The network has the weights of the best epoch."""

    stopped: bool = False  # by `should_stop`
    best: Evaluation | None = None  # on the validation examples
    best_epoch: int = 0
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    samples_per_second: float = 0.0
    history: list[EpochMetrics] = field(default_factory=list)


def train(
    network: Network,
    training: Examples,
    validation: Examples | None,
    hyperparameters: Hyperparameters,
    *,
    task: str,
    seed: int,
    compute: Compute,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train the network in place; raises InfeasibleTrial when the loss is not finite any more.

    Without validation examples the last epoch counts as the best.
    """
    h = hyperparameters
    generator = torch.Generator().manual_seed(seed)  # batches and augmentation
    network.seed(seed, compute.device)  # dropout
    batch = min(h.batch_size, len(training))
    progress = _Progress(h, h.epochs * max(1, len(training) // batch), clock)
    steps = _Steps(network, LOSSES[task](), _optimiser(network, h), h, compute, progress)
    outcome, best_state = Outcome(), None
    evaluating = 0.0  # seconds; not part of the speed
    while progress(outcome.steps) < 1 and not outcome.stopped:
        batches = training.training_batches(h.batch_size, generator)
        loss, rate = steps.epoch(batches, outcome, should_stop, on_step)
        before = clock()
        found = None if validation is None else evaluate(network, validation, task, compute)
        evaluating += clock() - before
        if found is None or _is_better(found, outcome.best):
            outcome.best, outcome.best_epoch = found, outcome.epochs
            best_state = None if found is None else copy.deepcopy(network.state_dict())
        outcome.history.append(_metrics(outcome.epochs, loss, found, rate, progress.seconds))
        on_epoch(outcome.history[-1])
        if h.patience is not None and outcome.epochs - outcome.best_epoch >= h.patience:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
    outcome.seconds = progress.seconds
    outcome.samples_per_second = outcome.steps * batch / max(outcome.seconds - evaluating, 1e-9)
    return outcome


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
    """Steps of the optimiser along the cycle of the learning rate."""

    network: Network
    loss_of: AbstractLoss
    optimiser: torch.optim.Optimizer
    h: Hyperparameters
    compute: Compute
    progress: _Progress

    def epoch(
        self,
        batches: Iterable[tuple[Tensor, Tensor]],
        outcome: Outcome,
        should_stop: Callable[[], bool],
        on_step: Callable[[int], None],
    ) -> tuple[float, float]:
        """The mean loss and the last learning rate of one more epoch, told to the outcome."""
        self.network.train()
        total, counted, rate = torch.zeros((), device=self.compute.device), 0, 0.0
        for x, y in batches:
            at = min(1.0, self.progress(outcome.steps))
            rate = self.h.learning_rate * one_cycle(at, self.h.warmup)
            total += self._step(x, y, rate)
            counted += 1
            outcome.steps += 1
            on_step(outcome.steps)
            if outcome.steps % _CHECKED_STEPS == 0:
                _check_finite(total)
            outcome.stopped = should_stop()
            if outcome.stopped or self.progress(outcome.steps) >= 1:
                break
        _check_finite(total)
        outcome.epochs += 1
        return float(total) / counted, rate

    def _step(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """The loss of a batch, before the step that it leads to."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self.compute.autocast():
            loss = self.loss_of.loss(self.network(x), y, self.h.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()


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
    for x, y in examples.batches(EVALUATION_BATCH):
        with compute.autocast():
            outputs = network(x)
        loss += loss_of.loss(outputs, y) * len(y)
        metric += loss_of.metric_sum(outputs, y)
    _check_finite(loss)
    return Evaluation(float(metric) / len(examples), float(loss) / len(examples), len(examples))


def one_cycle(progress: float, warmup: float) -> float:
    """The learning rate at that progress, as a share of its peak: a rise, then half a cosine."""
    if progress < warmup:
        return _FIRST_RATE + (1 - _FIRST_RATE) * progress / warmup
    phase = (progress - warmup) / max(1 - warmup, 1e-9)
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * phase)) / 2


def value_std(task: str, evaluation: Evaluation) -> float:
    """The standard error of a validation metric, from the number of examples."""
    return TASKS[task]().value_std(evaluation.metric, evaluation.examples)


def _is_better(found: Evaluation, best: Evaluation | None) -> bool:
    """A higher metric, or the same with a lower loss."""
    return best is None or (found.metric, -found.loss) > (best.metric, -best.loss)


def _check_finite(total: Tensor) -> None:
    if not math.isfinite(float(total)):
        raise InfeasibleTrial(f"the loss is {float(total)}: the training has diverged")


def _optimiser(network: nn.Module, h: Hyperparameters) -> torch.optim.Optimizer:
    """Weight decay is for weights of convolutions and dense layers, not for biases and scales."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": h.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if h.optimiser is Optimiser.SGD:
        return torch.optim.SGD(
            groups, lr=h.learning_rate, momentum=h.momentum, nesterov=True, fused=True
        )
    return torch.optim.AdamW(groups, lr=h.learning_rate, betas=(0.9, 0.99), fused=True)
