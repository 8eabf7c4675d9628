"""Keeps the state of a training at the end of its last epoch, and has it stored now and then.

Copies and stored checkpoints are made so seldom that each takes at most a hundredth of the time.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from worker.trainer.training.state import State

SHARE = 0.01  # of the time of a training, at most, for copies; as much again for storing them


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a training at the end of an epoch, in memory."""

    epoch: int
    seconds: float  # of training so far
    state: State  # tensors on the CPU


class Checkpointer:
    """Decides when the state of a training is copied, and when a copy is stored."""

    def __init__(
        self,
        store: Callable[[Snapshot], None] = lambda snapshot: None,
        seconds: float = inf,  # between two stored checkpoints, at least
        should_hand_back: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.should_hand_back = should_hand_back
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._copy_due = clock() if seconds < inf else inf
        self._store_due = clock() + seconds
        self._unstored: Snapshot | None = None

    def at_epoch(self, snapshot: Callable[[], Snapshot]) -> None:
        """Copy the state at the end of an epoch and store the copy, where each is due."""
        began = self._clock()
        if began < self._copy_due:
            return
        self._unstored = snapshot()
        ended = self._clock()
        self._copy_due = ended + (ended - began) / SHARE
        if ended >= self._store_due:
            self.store()

    def store(self) -> None:
        """Store the last copy, unless it is stored; a failing storage does not end the training."""
        if self._unstored is None:
            return
        began = self._clock()
        try:
            self._store(self._unstored)
            self._unstored = None
        except OSError as error:
            print(f"the checkpoint was not stored: {error}", file=sys.stderr, flush=True)
        ended = self._clock()
        self._store_due = ended + max(self._seconds, (ended - began) / SHARE)
