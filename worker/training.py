"""The training loop: one function, read from top to bottom.

The learning rate follows one cycle over *progress*, which is the larger of the share of steps
made and the share of time used: a training that may take so many seconds still ends with a small
rate, however slow the machine is (cf. Smith 2018, arXiv:1803.09820; Loshchilov & Hutter 2017,
arXiv:1608.03983 for the cosine).
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.contracts import Hyperparameters, Optimiser
from core.errors import InfeasibleTrial
from core.tasks import TASKS
from worker.data import Examples
from worker.network import Network
from worker.tasks import LOSSES

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
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train the network in place; raises InfeasibleTrial when the loss is not finite any more.

    Without validation examples the last epoch counts as the best.
    """
    h, loss_of = hyperparameters, LOSSES[task]()
    generator = torch.Generator().manual_seed(seed)  # batches and augmentation
    network.seed(seed, device)  # dropout
    optimiser = _optimiser(network, h, device)
    steps_in_epoch = max(1, len(training) // min(h.batch_size, len(training)))
    outcome, best_state = Outcome(), None
    began = clock()

    def progress() -> float:
        steps = outcome.steps / (h.epochs * steps_in_epoch)
        return max(steps, (clock() - began) / h.max_seconds) if h.max_seconds else steps

    evaluating = 0.0  # seconds; not part of the speed
    while progress() < 1 and not outcome.stopped:
        network.train()
        total, counted = torch.zeros((), device=device), 0
        for x, y in training.training_batches(h.batch_size, generator):
            rate = h.learning_rate * one_cycle(min(1.0, progress()), h.warmup)
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = loss_of.loss(network(x), y, h.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach()
            counted += 1
            outcome.steps += 1
            on_step(outcome.steps)
            if outcome.steps % _CHECKED_STEPS == 0:
                _check_finite(total)
            outcome.stopped = should_stop()
            if outcome.stopped or progress() >= 1:
                break
        _check_finite(total)
        outcome.epochs += 1
        before = clock()
        found = None if validation is None else evaluate(network, validation, task, device)
        evaluating += clock() - before
        if found is None or _is_better(found, outcome.best):
            outcome.best, outcome.best_epoch = found, outcome.epochs
            best_state = None if found is None else copy.deepcopy(network.state_dict())
        metrics = EpochMetrics(
            epoch=outcome.epochs,
            train_loss=float(total) / counted,
            validation_loss=None if found is None else found.loss,
            validation_metric=None if found is None else found.metric,
            learning_rate=rate,
            seconds=clock() - began,
        )
        outcome.history.append(metrics)
        on_epoch(metrics)
        if h.patience is not None and outcome.epochs - outcome.best_epoch >= h.patience:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
    outcome.seconds = clock() - began
    busy = max(outcome.seconds - evaluating, 1e-9)
    outcome.samples_per_second = outcome.steps * min(h.batch_size, len(training)) / busy
    return outcome


@torch.inference_mode()
def evaluate(network: nn.Module, examples: Examples, task: str, device: torch.device) -> Evaluation:
    """The metric and loss over all examples, in evaluation mode; raises InfeasibleTrial."""
    loss_of = LOSSES[task]()
    network.eval()
    metric = torch.zeros((), device=device)
    loss = torch.zeros((), device=device)
    for x, y in examples.batches(EVALUATION_BATCH):
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
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


def _optimiser(
    network: nn.Module, h: Hyperparameters, device: torch.device
) -> torch.optim.Optimizer:
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
