"""The average of weights agrees with an explicit sum, after any number of steps."""

import numpy as np
import pytest
import torch
from torch import nn

from worker.trainer.training.averaging import WeightAverage


def direct(values, share):
    """The average of values 1 … t, each weight computed from the definition."""
    t = len(values)
    factors = [(1 - 1 / step) ** (1 / share) for step in range(1, t + 1)]
    weights = [(1 - factors[i]) * np.prod(factors[i + 1 :]) for i in range(t)]
    assert np.sum(weights) == pytest.approx(1)
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def moved(network, rng):
    """Give the network random weights and statistics, and return them in one row."""
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.copy_(torch.from_numpy(rng.normal(size=tuple(tensor.shape))))
    return content(network)


def content(network):
    tensors = [*network.parameters(), *network.buffers()]
    return np.concatenate([tensor.detach().double().numpy().ravel() for tensor in tensors])


class WithBuffer(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
        self.register_buffer("running_mean", torch.zeros(4))


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_the_average_agrees_with_its_definition_after_any_number_of_steps(share, steps):
    network, rng = WithBuffer(), np.random.default_rng(0)
    average, values = WeightAverage(network, share), []
    for _ in range(steps):
        values.append(moved(network, rng))
        average.update()
    average.write()
    np.testing.assert_allclose(content(network), direct(values, share), rtol=1e-5, atol=1e-6)


def test_a_share_of_one_is_the_plain_mean_and_a_small_one_is_the_last():
    for share, expected in ((1.0, np.mean), (1e-6, lambda v, axis: v[-1])):
        network, rng = WithBuffer(), np.random.default_rng(0)
        average, values = WeightAverage(network, share), []
        for _ in range(9):
            values.append(moved(network, rng))
            average.update()
        average.write()
        np.testing.assert_allclose(content(network), expected(values, axis=0), rtol=1e-5, atol=1e-6)


def test_most_of_the_average_lies_in_the_last_steps_of_that_share():
    """The weight of the last 2 s t steps, of an average over the share s, is about 1 - exp(-2)."""
    for steps in (200, 1000):
        inside = [float(step > 0.8 * steps) for step in range(steps)]
        assert direct(inside, 0.1) == pytest.approx(1 - 0.8**10, abs=0.01)


def test_a_network_has_the_average_within_the_block_and_its_own_weights_after_it():
    network, rng = WithBuffer(), np.random.default_rng(0)
    average = WeightAverage(network, 0.5)
    values = []
    for _ in range(3):
        values.append(moved(network, rng))
        average.update()
    with average.applied():
        np.testing.assert_allclose(content(network), direct(values, 0.5), rtol=1e-5)
    np.testing.assert_array_equal(content(network), values[-1])
