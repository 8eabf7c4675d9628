"""The latency of a trained network: how long it takes to predict one example.

Notation
    latency   seconds from one example to its outputs: the median over runs of a batch of one, in
              evaluation mode and float32, after a warm-up; on a CPU the processor time of one
              thread, which other work on the machine changes little
"""

import statistics
import time
from collections.abc import Callable

import torch

from worker.trainer.networks.network import Network

RUNS = (3, 200)  # timed runs, at least and at most
TIMED_SECONDS = 0.2  # after which no further run is started
WARM_UP = (2, 10)  # runs that are not timed, at least and at most
WARM_UP_SECONDS = 0.05
LONGEST_RUN = 0.1  # seconds: of a slower network only one run is timed
_LEAST = 1e-9  # seconds: a latency is above zero, however coarse the clock


def latency(
    network: Network,
    shape: tuple[int, ...],
    device: torch.device,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
    clock: Callable[[], float] | None = None,
    limit: Callable[[], float] = time.perf_counter,
) -> float:
    """The seconds that the network takes for one example of this shape.

    `clock` times the runs; `limit` is the clock that ends the measurement.
    """
    clock = clock or (time.thread_time if device.type == "cpu" else time.perf_counter)
    x = torch.zeros((1, *shape), device=device)
    if memory_format is torch.channels_last and x.ndim == 4:
        x = x.contiguous(memory_format=memory_format)
    threads = torch.get_num_threads()
    network.eval()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            began = limit()
            first = _runs(network, x, WARM_UP, WARM_UP_SECONDS, clock, limit)
            is_slow = (limit() - began) / len(first) > LONGEST_RUN
            limits = (1, 1) if is_slow else RUNS
            timed = _runs(network, x, limits, TIMED_SECONDS, clock, limit)
            return max(_LEAST, statistics.median(timed))
    finally:
        torch.set_num_threads(threads)


def _runs(
    network: Network,
    x: torch.Tensor,
    limits: tuple[int, int],
    seconds: float,
    clock: Callable[[], float],
    limit: Callable[[], float],
) -> list[float]:
    """The seconds of each run; there are as many runs as the time allows, within the limits."""
    seconds_of_runs: list[float] = []
    least, most = limits
    end = limit() + seconds
    while (n := len(seconds_of_runs)) < least or (n < most and limit() < end):
        began = clock()
        network(x)
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        seconds_of_runs.append(clock() - began)
    return seconds_of_runs
