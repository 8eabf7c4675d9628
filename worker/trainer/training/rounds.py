"""Rounds of a training: the steps between two reports."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.protocol.contracts import Hyperparameters
from worker.trainer.training.checks import LearningCheck, check_finite
from worker.trainer.training.schedule import TrainingProgress, rate_share
from worker.trainer.training.step import TrainingStep

_MOST_REPORTS = 100  # about, of one training; each costs an evaluation
# Just below 1 / reports, as sums of shares are rounded.
_ROUNDED_SHARE = 0.999 / _MOST_REPORTS  # least part of a training in a round
_REPORT_SECONDS = 5.0  # after which a report is due in any case: a user may be watching
_CHECKED_STEPS = 50  # steps between two checks of the loss: a check waits for the GPU


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Trains a network, round after round, along the schedule of the learning rate."""

    step: TrainingStep
    batches: Iterator[tuple[Tensor, Tensor]]
    h: Hyperparameters
    progress: TrainingProgress
    learning: LearningCheck
    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    stopped: bool = False  # by `should_stop`

    def train(self) -> tuple[float, float]:
        """Train for one round; returns the mean loss and the last learning rate.

        A round is an epoch, or several where there would be too many reports; it ends earlier at
        the rung, at a stop, and at the end of the training.

        Raises:
            InfeasibleTrial: the loss is not finite, or nothing is learned.
        """
        self.step.network.train()
        began, since = self.progress.share, self.progress.seconds
        total, counted, rate = torch.zeros((), device=self.step.compute.device), 0, 0.0
        for x, y in self.batches:
            rate, loss = self._train_on(x, y)
            total += loss
            counted += 1
            if self.progress.steps % _CHECKED_STEPS == 0:
                check_finite(total)
            self.stopped = self.should_stop()
            if self.stopped or self._is_over(began, since):
                break
        check_finite(total)
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

    def _is_over(self, began: float, since: float) -> bool:
        """Whether the round that began at this share and second of the training ends here."""
        now = self.progress.share
        if now >= 1 or began < self.h.rung <= now:
            return True
        is_due = now - began > _ROUNDED_SHARE or self.progress.seconds - since > _REPORT_SECONDS
        return is_due and self.progress.steps % self.progress.epoch_steps == 0
