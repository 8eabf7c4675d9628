"""How long a trained network takes for one example.

Notation
    latency   seconds from one example to its logits: the median of some runs of a batch of one, in
              evaluation mode and float32, after a warm-up; on a CPU with one thread, so that
              machines that do something else beside still give comparable numbers
"""

import statistics
import time
from collections.abc import Callable

import torch

from worker.network import Network

RUNS = (3, 200)  # least and most that are timed
TIMED_SECONDS = 0.2  # after which no more are begun
WARM_UP = (2, 10)  # runs that are not timed, least and most
WARM_UP_SECONDS = 0.05
LONGEST_RUN = 0.1  # of a network this slow a single run is timed
_LEAST = 1e-9  # seconds: no latency is zero, whatever the clock says


def latency(
    network: Network,
    shape: tuple[int, ...],
    device: torch.device,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that the network takes for one example of this shape."""
    x = torch.zeros((1, *shape), device=device)
    if memory_format is torch.channels_last and x.ndim == 4:
        x = x.contiguous(memory_format=memory_format)
    threads = torch.get_num_threads()
    network.eval()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            slowest = max(_runs(network, x, WARM_UP, WARM_UP_SECONDS, clock))
            limits = (1, 1) if slowest > LONGEST_RUN else RUNS
            return max(_LEAST, statistics.median(_runs(network, x, limits, TIMED_SECONDS, clock)))
    finally:
        torch.set_num_threads(threads)


def _runs(
    network: Network,
    x: torch.Tensor,
    limits: tuple[int, int],
    seconds: float,
    clock: Callable[[], float],
) -> list[float]:
    """The seconds of each run: as many as fit into the time, within the limits."""
    found: list[float] = []
    least, most = limits
    while len(found) < least or (len(found) < most and sum(found) < seconds):
        began = clock()
        network(x)
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        found.append(clock() - began)
    return found
