"""How many threads a training on a CPU goes on with while other programs are busy.

The threads of a step wait for the slowest one many times. Where another program has one's
processor, a step was seen to take sixty times as long as with one thread.
"""

import time
from collections.abc import Callable

import torch

_LEAST_SECONDS, _LEAST_STEPS = 1.0, 2  # between two looks at the speed
_TRY_AGAIN_SECONDS = 20.0
_SLOWER = 1.5  # times what a step would take if threads shared it without any loss


class ThreadSettings:
    """Changes to one thread while several take longer than one could.

    A step is that slow where the fastest of some in a row took 1.5 x `threads` times as long as
    the fastest of any. After twenty seconds all threads are tried again.
    """

    def __init__(
        self,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        use: Callable[[int], None] = torch.set_num_threads,
    ) -> None:
        self._all, self._clock, self._use = threads, clock, use
        self._in_use = threads
        self._least = self._least_now = float("inf")  # seconds of a step with all threads
        self._steps = 0
        self._ended = self._since = clock()

    def step_ended(self) -> None:
        """Choose the threads of the next step."""
        now = self._clock()
        self._least_now = min(self._least_now, now - self._ended)
        self._ended = now
        self._steps += 1
        if self._in_use == 1:
            if now - self._since >= _TRY_AGAIN_SECONDS:
                self._go_on_with(self._all)
        elif now - self._since >= _LEAST_SECONDS and self._steps >= _LEAST_STEPS:
            self._least = min(self._least, self._least_now)
            is_slow = self._least_now > _SLOWER * self._all * self._least
            self._go_on_with(1 if is_slow else self._all)

    def _go_on_with(self, threads: int) -> None:
        if threads != self._in_use:
            self._in_use = threads
            self._use(threads)
        self._steps, self._least_now, self._since = 0, float("inf"), self._ended
