"""How far a training is, and the learning rate that belongs to it.

The rate follows a schedule over the *share* of the training that is done, which is the larger of
the share of steps made and the share of time used: a training with a limit of seconds still ends
with a small rate, however slow the machine is.
"""

import math
from collections.abc import Callable

from core.protocol.contracts.hyperparameters import Hyperparameters

_FIRST_RATE, _LAST_RATE = 0.04, 0.002  # of the peak


class TrainingProgress:
    """How far a training is, by steps and by time."""

    def __init__(self, h: Hyperparameters, epoch_steps: int, clock: Callable[[], float]) -> None:
        self.steps = 0  # made so far
        self.epoch_steps = epoch_steps
        self._most_steps, self._most_seconds = h.epochs * epoch_steps, h.max_seconds
        self._augmented_share = 1 - h.unaugmented
        self._clock, self._began = clock, clock()

    def resume(self, steps: int, seconds: float) -> None:
        """Continue a training that has made these steps in these seconds."""
        self.steps, self._began = steps, self._clock() - seconds

    @property
    def seconds(self) -> float:
        """Of training so far."""
        return self._clock() - self._began

    @property
    def epochs(self) -> int:
        """Epochs so far; one that has begun counts."""
        return -(-self.steps // self.epoch_steps)

    @property
    def share(self) -> float:
        """The share of the training that is done; 1 or more at its end."""
        share = self.steps / self._most_steps
        return max(share, self.seconds / self._most_seconds) if self._most_seconds else share

    @property
    def is_augmented(self) -> bool:
        """Whether the next examples are augmented."""
        return self.share < self._augmented_share


def rate_share(progress: float, warmup: float, decay: float) -> float:
    """The learning rate at that share of the training, as a share of its peak.

    It rises over the share `warmup`, stays, and falls along half a cosine over the last share
    `decay` (Loshchilov & Hutter 2017, arXiv:1608.03983; for the level before it Hägele et al. 2024,
    arXiv:2405.18392): with 1 it falls from the end of the rise on, with 0 it never falls.
    """
    if progress < warmup:
        return _FIRST_RATE + (1 - _FIRST_RATE) * progress / warmup
    falling = progress - max(warmup, 1 - decay)
    if decay == 0 or falling <= 0:
        return 1.0
    phase = min(1.0, falling / min(decay, 1 - warmup))
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * phase)) / 2
