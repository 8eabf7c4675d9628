"""The estimated moments of values, against samples and by hand."""

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import (
    GELU,
    AbstractLayer,
    Add,
    BatchNorm,
    Channels,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    Gate,
    GlobalAvgPool2d,
    HardSigmoid,
    HardSwish,
    Input,
    Output,
    ReLU,
    ReLU6,
    Scale,
    Sigmoid,
    SiLU,
    Tanh,
    Zero,
)
from core.morphisms.moments import estimate_moments, new_parameters
from tests.strategies import random_weights

NETWORK = Architecture(
    (
        Node(0, Input((1, 6, 6))),
        Node(1, Conv2d(4), (0,)),
        Node(2, BatchNorm(), (1,)),
        Node(3, ReLU(), (2,)),
        Node(4, Flatten(), (3,)),
        Node(5, Dense(3), (4,)),
        Node(6, Output(), (5,)),
    )
)


def test_a_new_batch_norm_has_approximately_the_moments_of_the_values():
    """So that it changes little in training mode, where the batch gives the moments."""
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    x = rng.normal(size=(4000, 1, 6, 6))
    weights[2] |= _statistics(forward_to(NETWORK, weights, x, 1))
    values = forward_to(NETWORK, weights, x, 3)
    mean, variance = estimate_moments(NETWORK, weights, 3)
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=0.1, atol=0.05)
    np.testing.assert_allclose(variance, values.var(axis=(0, 2, 3)), rtol=0.2, atol=0.05)


@pytest.mark.parametrize(
    ("layers", "weights"),
    [
        ((Conv2d(3, 1, bias=False),), {1: {"weight": np.array([[[[2.0]]], [[[-1]]], [[[0.5]]]])}}),
        ((DepthwiseConv2d(1, bias=False),), {1: {"weight": np.array([[[[3.0]]]])}}),
        ((BatchNorm(), ReLU6()), {1: {"weight": 5.0, "bias": 4.0}}),  # much of it is clipped
        ((BatchNorm(), ReLU6()), {1: {"weight": 1.0, "bias": 9.0}}),  # all of it
        ((Zero(),), {}),
        *(
            ((BatchNorm(), layer), {1: {"weight": 2.0, "bias": 0.7}})
            for layer in (SiLU(), GELU(), Sigmoid(), HardSigmoid(), HardSwish(), Tanh())
        ),
    ],
)
def test_the_estimated_moments_behind_each_layer_are_those_of_gaussian_samples(layers, weights):
    rest = (Flatten(), Dense(3), Output())
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate((*layers, *rest), 1)]
    network = Architecture((Node(0, Input((1, 4, 4))), *nodes))
    if BatchNorm() in layers:
        one = {"running_mean": np.zeros(1), "running_var": np.ones(1)}
        weights = {1: one | {name: np.full(1, value) for name, value in weights[1].items()}}
    x = np.random.default_rng(0).normal(size=(9000, 1, 4, 4))
    values = forward_to(network, weights, x, len(layers))
    mean, variance = estimate_moments(network, weights, len(layers))
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=0.01, atol=0.01)
    np.testing.assert_allclose(variance, values.var(axis=(0, 2, 3)), rtol=0.02, atol=1e-3)


def forward_to(network, weights, x, node_id):
    """The values of one node, as features."""
    kept = [node for node in network.nodes if node.id <= node_id]
    shape = network.shapes[node_id]
    tail = (Node(90, Flatten(), (node_id,)), Node(91, Output(), (90,)))
    return forward(Architecture((*kept, *tail)), weights, x).reshape(-1, *shape)


def _statistics(values):
    axes = (0, 2, 3)
    return {"running_mean": values.mean(axis=axes), "running_var": values.var(axis=axes)}


def merged(layer: AbstractLayer, *branches: tuple[AbstractLayer, ...]) -> Architecture:
    """Branches from one input to a merge, whose id is the largest but three."""
    nodes, ends = [Node(0, Input((2, 4, 4)))], []
    for branch in branches:
        source = 0
        for one in branch:
            nodes.append(Node(len(nodes), one, (source,)))
            source = nodes[-1].id
        ends.append(source)
    rest = (layer, *([Flatten()] if layer.channels is not Channels.FLATTENED else []))
    inputs = tuple(ends)
    for one in (*rest, Dense(3), Output()):
        nodes.append(Node(len(nodes), one, inputs))
        inputs = (nodes[-1].id,)
    return Architecture(tuple(nodes))


def norm(mean: float, deviation: float) -> dict[str, np.ndarray]:
    """A batch norm whose output has this mean and standard deviation."""
    arrays = {"weight": deviation, "bias": mean, "running_mean": 0.0, "running_var": 1.0}
    return {name: np.full(2, value) for name, value in arrays.items()}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Add(), ([3 + 1] * 2, [4 + 9] * 2)),
        (Concat(), ([3, 3, 1, 1], [4, 4, 9, 9])),
    ],
)
def test_moments_of_independent_values_add_up_or_stand_side_by_side(layer, expected):
    network = merged(layer, (BatchNorm(),), (BatchNorm(),))
    mean, variance = estimate_moments(network, {1: norm(3, 2), 2: norm(1, 3)}, 3)
    np.testing.assert_allclose(mean, expected[0])
    np.testing.assert_allclose(variance, expected[1])


def test_moments_of_factors_and_of_products_are_those_of_samples():
    """The estimate of the gate is an approximation for small variances."""
    pooled = (BatchNorm(), GlobalAvgPool2d())
    network = merged(Scale(), (BatchNorm(),), (*pooled, Gate()))
    weights = {1: norm(3, 2), 2: norm(0.5, 0.3)}
    rng = np.random.default_rng(0)
    factors = 2 / (1 + np.exp(-rng.normal(0.5, 0.3, 200_000)))
    scaled = rng.normal(3, 2, 200_000) * factors
    for node_id, values in ((4, factors), (5, scaled)):
        mean, variance = estimate_moments(network, weights, node_id)
        np.testing.assert_allclose(mean, values.mean(), rtol=0.02)
        np.testing.assert_allclose(variance, values.var(), rtol=0.1)


def test_flattening_repeats_the_moments_of_each_channel():
    network = merged(Flatten(), (BatchNorm(),))
    weights = {1: norm(3, 2) | {"bias": np.array([1.0, 5.0])}}
    mean, variance = estimate_moments(network, weights, 2)
    assert mean.tolist() == [1.0] * 16 + [5.0] * 16
    assert variance.tolist() == [4.0] * 32


def test_variances_are_never_zero():
    network = merged(Flatten(), (BatchNorm(),))
    weights = {1: norm(0, 1) | {"weight": np.array([0.0, 2.0])}}
    _, variance = estimate_moments(network, weights, 1)
    np.testing.assert_allclose(variance, [0.01 * 2, 4], rtol=1e-6)


def test_new_weights_with_a_negative_expected_output_are_negated():
    """The inputs are positive, so the sign of the sum of a row decides."""
    network = merged(Flatten(), (BatchNorm(), ReLU()))
    weights, dense = {1: norm(3, 0.1)}, network.nodes[-2]
    parameters, plain = (
        make(network, weights, dense, np.random.default_rng(0), np.float64)
        for make in (
            new_parameters,
            lambda a, w, node, *rest: node.layer.initial_parameters(a.input_shapes(node), *rest),
        )
    )
    assert (parameters["weight"].sum(axis=1) > 0).all()
    assert (plain["weight"].sum(axis=1) < 0).any()
    signs = np.sign(plain["weight"].sum(axis=1))[:, None]
    np.testing.assert_array_equal(parameters["weight"], plain["weight"] * signs)


def test_a_new_batch_norm_gets_the_estimated_statistics():
    weights = random_weights(NETWORK, np.random.default_rng(0))
    norm = NETWORK.node(2)
    made = new_parameters(NETWORK, weights, norm, np.random.default_rng(0), np.float32)
    mean, variance = estimate_moments(NETWORK, weights, 1)
    np.testing.assert_allclose(made["running_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(made["running_var"], variance, rtol=1e-6)
    assert made["weight"].tolist() == [1.0] * 4
    assert all(array.dtype == np.float32 for array in made.values())


def test_a_gate_of_values_that_vary_much_is_closer_to_one():
    network = merged(Scale(), (BatchNorm(),), (BatchNorm(), GlobalAvgPool2d(), Gate()))
    mean, _ = estimate_moments(network, {1: norm(0, 1), 2: norm(1, 2)}, 4)
    values = 2 / (1 + np.exp(-np.random.default_rng(0).normal(1, 2, 200_000)))
    np.testing.assert_allclose(mean, values.mean(), rtol=0.02)
