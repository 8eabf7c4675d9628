"""The latency of one example: a median over runs, measured within a fraction of a second."""

import itertools

import pytest
import torch
from torch import nn

from worker.trainer.networks.latency import RUNS, TIMED_SECONDS, WARM_UP, WARM_UP_SECONDS, latency

CPU = torch.device("cpu")


class Timed(nn.Module):
    """A network whose runs take the next of these seconds each, by its own clock."""

    def __init__(self, seconds):
        super().__init__()
        self.now = 0.0
        self.runs = 0
        self.seen = []
        self._seconds = iter(seconds)

    def forward(self, x):
        self.runs += 1
        self.now += next(self._seconds)
        self.seen.append((tuple(x.shape), self.training, torch.is_grad_enabled()))
        self.threads = torch.get_num_threads()
        return x

    def clock(self):
        return self.now


def measured(seconds):
    network = Timed(seconds)
    return latency(network, (1, 4, 4), CPU, clock=network.clock, limit=network.clock), network


def test_a_few_slow_runs_do_not_change_the_latency():
    warm_up = [1.0 / 64] * 4  # exact, so that sums do not depend on rounding
    found, _ = measured(itertools.chain(warm_up, itertools.cycle([1 / 64, 1 / 64, 1 / 8])))
    assert found == 1 / 64


@pytest.mark.parametrize("seconds", [1e-6, 1e-3, 0.03, 0.09, 0.5, 20.0])
def test_a_measurement_takes_little_more_than_its_time_limit(seconds):
    _, network = measured(itertools.repeat(seconds))
    allowed = WARM_UP_SECONDS + TIMED_SECONDS
    assert network.now < allowed + (WARM_UP[0] + RUNS[0]) * seconds
    assert network.runs <= WARM_UP[1] + RUNS[1]


def test_one_example_at_a_time_is_computed_in_evaluation_mode():
    _, network = measured(itertools.repeat(0.01))
    assert set(network.seen) == {((1, 1, 4, 4), False, False)}
    assert network.threads == 1


def test_the_threads_of_the_process_are_as_before():
    torch.set_num_threads(2)
    measured(itertools.repeat(0.01))
    assert torch.get_num_threads() == 2


def test_a_clock_that_does_not_advance_still_gives_a_positive_latency():
    assert measured(itertools.repeat(0.0))[0] > 0
