"""How many threads a training on a CPU uses: all, or one while other programs are busy.

The threads of a step wait for the slowest one many times. Where another program has one's
processor, a step was seen to take sixty times as long as with one thread.
"""

import time
from collections.abc import Callable

import torch

_WINDOW_SECONDS, _WINDOW_STEPS = 0.3, 2  # at least: of its steps the fastest counts
_TRY_ALL_SECONDS = 10.0  # at least, after which a training with one thread tries all again
_TRY_SHARE = 0.1  # of the time of such a training that the tries take, at most
_SLOWER = 1.5  # times the seconds of a step: a reason to try the other number, or to give it up


class ThreadSettings:
    """Uses the number of threads, all or one, with which steps are faster.

    A training tries both at its start. Later it tries one where its steps become slow, and while it
    has one it tries all from time to time: others may be busy for a moment only.
    """

    def __init__(
        self,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        use: Callable[[int], None] = torch.set_num_threads,
    ) -> None:
        self._all, self._clock, self._use = threads, clock, use
        self._in_use = threads
        self._seconds: float | None = None  # of a step, when these threads were chosen
        self._former: float | None = None  # the same of the other number, while this one is tried
        self._steps: list[float] = []  # their seconds, since `_since`
        self._ended = self._since = self._try_at = clock()

    def step_ended(self) -> None:
        """Choose the threads of the next step."""
        now = self._clock()
        self._steps.append(now - self._ended)
        self._ended = now
        if len(self._steps) < _WINDOW_STEPS:
            return
        fastest, is_over = min(self._steps), now - self._since >= _WINDOW_SECONDS
        if self._former is None:
            if is_over:
                self._look_at(fastest)
        elif is_over or fastest > _SLOWER * self._former:
            self._choose(fastest, self._former)

    def _look_at(self, seconds: float) -> None:
        """Try the other number of threads if there is a reason."""
        is_slow = self._seconds is None or seconds > _SLOWER * self._seconds
        is_due = self._in_use == 1 and self._ended >= self._try_at
        if is_slow or is_due:
            self._former = seconds
            self._change()
        elif self._seconds is not None:
            self._seconds = min(self._seconds, seconds)
        self._begin_window()

    def _choose(self, seconds: float, former: float) -> None:
        """Keep the number of threads that was tried, or go back to the other one."""
        if seconds >= former:
            self._change()
        self._seconds, self._former = min(seconds, former), None
        took = self._ended - self._since
        self._try_at = self._ended + max(_TRY_ALL_SECONDS, took / _TRY_SHARE)
        self._begin_window()

    def _change(self) -> None:
        self._in_use = 1 if self._in_use == self._all else self._all
        self._use(self._in_use)

    def _begin_window(self) -> None:
        self._steps, self._since = [], self._ended
