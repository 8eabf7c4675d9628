"""A given network is within the limits, has weights that fit it, and fits the data set."""

import io

import numpy as np
import pytest
from hypothesis import given
from safetensors import numpy as safetensors

from core.errors import InvalidArchitecture, InvalidInput
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.given_network import check_fits, check_limits, read_weights
from core.graph.node import Node
from core.graph.weights import flatten, save
from core.layers import BatchNorm, Concat, Conv2d, Dense, Flatten, Input, Output
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from tests.strategies import architectures, random_weights

NETWORK = chain(iter([Input((1, 6, 6)), BatchNorm(), Conv2d(3), Flatten(), Dense(4), Output()]))
WEIGHTS = random_weights(NETWORK, np.random.default_rng(0), np.float32)
SPEC = DatasetSpec(
    input_shape=(1, 6, 6),
    classes=4,
    class_names=tuple("abcd"),
    train_examples=100,
    test_examples=20,
    dtype="uint8",
)


def read(data: bytes, architecture: Architecture = NETWORK):
    return read_weights(io.BytesIO(data), len(data), architecture)


def doubling(times: int) -> Architecture:
    """Each layer joins the one before it with itself, so that the channels double."""
    nodes = [Node(0, Input((1,))), Node(1, BatchNorm(), (0,))]
    nodes += [Node(n + 2, Concat(), (n + 1, n + 1)) for n in range(times)]
    return Architecture((*nodes, Node(times + 2, Output(), (times + 1,))))


@given(architecture=architectures())
def test_usual_networks_are_within_the_limits(architecture):
    check_limits(architecture)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (chain(iter([Input((4,)), *[BatchNorm()] * 499, Output()])), "501 layers"),
        (
            chain(iter([Input((4,)), Dense(9000), Dense(2), Output()])),
            "9000 filters",
        ),
        (chain(iter([Input((30_000,)), Dense(8000), Output()])), "parameters"),
        (chain(iter([Input((1, 2**15, 2**15)), Conv2d(1), Flatten(), Output()])), "output values"),
        (doubling(40), "output values"),
        (chain(iter([Input((1, 2, 2)), Conv2d(1, 2**26 + 1), Flatten(), Output()])), "parameters"),
        (Architecture((Node(0, Input((4,))), Node(2**31, Output(), (0,)))), "largest node id"),
    ],
)
def test_a_network_beyond_a_limit_is_refused(network, words):
    with pytest.raises(
        InvalidArchitecture, match=rf"the network has .*{words}.*; expected at most"
    ):
        check_limits(network)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_of_any_precision_become_float32(dtype):
    given = {name: array.astype(dtype) for name, array in flatten(WEIGHTS).items()}
    found = flatten(read(safetensors.save(given)))
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    for name, array in found.items():
        np.testing.assert_array_equal(array, given[name].astype(np.float32))


def changed(**arrays: np.ndarray) -> bytes:
    return safetensors.save(flatten(WEIGHTS) | arrays)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not safetensors"),
        (b"PK\x03\x04" + bytes(200), "not safetensors"),
        (save(WEIGHTS)[:-1], "not safetensors"),
        (save({key: value for key, value in WEIGHTS.items() if key != 2}), "lack"),
        (changed(**{"9.weight": np.ones(1)}), "unknown"),
        (changed(**{"2.bias": np.ones(4, np.float32)}), r"shape \(4,\); expected \(3,\)"),
        (changed(**{"2.bias": np.array([1, np.nan, 0])}), "NaN"),
        (changed(**{"2.bias": np.array([1, 1e300, 0])}), "infinite"),
        (changed(**{"2.bias": np.array([1, 2, 3])}), "int64; expected floating-point"),
        (changed(**{"1.running_var": np.array([-1.0])}), "negative"),
        (save(WEIGHTS) + bytes(10**6), "bytes; expected at most"),
    ],
)
def test_weights_that_do_not_fit_are_refused(data, words):
    with pytest.raises(InvalidInput, match=words):
        read(data)


def test_weights_without_a_preparation_of_the_inputs_are_refused():
    plain = chain(iter([Input((4,)), Dense(3), Output()]))
    data = save(random_weights(plain, np.random.default_rng(0)))
    with pytest.raises(InvalidArchitecture, match="expected one BatchNorm"):
        read(data, plain)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_shape": (1, 6, 5)}, "shape 1 × 6 × 6; expected 1 × 6 × 5"),
        ({"classes": 5}, "4 outputs; expected 5, one for each class"),
    ],
)
def test_a_network_for_other_data_is_refused(change, words):
    check_fits(NETWORK, SPEC, Bounds())
    with pytest.raises(InvalidInput, match=words):
        check_fits(NETWORK, SPEC.model_copy(update=change), Bounds())


def test_a_network_beyond_the_bounds_is_refused():
    with pytest.raises(InvalidInput, match=r"not within the bounds: .* 4\d\d parameters"):
        check_fits(NETWORK, SPEC, Bounds(parameters=200))


def test_a_network_with_an_excluded_layer_is_refused():
    check_fits(NETWORK, SPEC, Bounds(without_layers=("silu",)))
    with pytest.raises(InvalidInput, match="layers of the excluded kinds batch_norm, conv2d;"):
        check_fits(NETWORK, SPEC, Bounds(without_layers=("silu", "conv2d", "batch_norm")))
