"""After a reduction, layers reproduce their old outputs as well as least squares can."""

from collections.abc import Iterator

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.weights import Weights, check
from core.layers import Array, BatchNorm, Conv1d, Conv2d, Dense, Flatten, Input, Output, ReLU
from core.morphisms import TransferRequest
from core.morphisms.add_skip import AddSkip
from core.morphisms.narrow import Narrow
from core.morphisms.reduction import selections, slice_weights
from core.morphisms.refit import FEW_ROWS_RIDGE, MAX_WINDOW_VALUES, RIDGE
from core.morphisms.remove_layer import RemoveLayer
from core.morphisms.remove_skip import RemoveSkip
from tests.strategies import random_weights


def network(*shape: int, width: int = 2, stride: int = 1, bias: bool = True) -> Architecture:
    """Three convolutions in a chain, and a dense layer that reads their output."""
    kind = Conv2d if len(shape) == 3 else Conv1d
    return Architecture(
        (
            Node(0, Input(shape)),
            Node(1, kind(width), (0,)),
            Node(2, kind(width), (1,)),
            Node(3, kind(3, 3, stride, bias), (2,)),
            Node(4, Flatten(), (3,)),
            Node(5, Dense(7), (4,)),
            Node(6, Output(), (5,)),
        )
    )


def until(architecture: Architecture, weights: Weights, node_id: int, x: Array) -> Array:
    """The output of a node of a chain of layers."""
    for node in architecture.nodes[1:]:
        x = node.layer.forward(weights.get(node.id, {}), [x])
        if node.id == node_id:
            break
    return x


def windows(x: Array, stride: int) -> Iterator[Array]:
    """The window of three around every stride-th position, with a one appended."""
    padded = np.pad(x, [(0, 0), (0, 0), *[(1, 1)] * (x.ndim - 2)])
    for example in padded:
        for position in np.ndindex(*[-(-side // stride) for side in x.shape[2:]]):
            corner = [slice(at * stride, at * stride + 3) for at in position]
            yield np.append(example[(slice(None), *corner)].ravel(), 1)


@pytest.mark.parametrize(
    ("shape", "stride"), [((1, 6, 6), 1), ((2, 6, 5), 2), ((2, 20), 1), ((1, 21), 2)]
)
def test_a_convolution_comes_as_close_as_its_windows_allow(shape, stride):
    architecture, rng = network(*shape, stride=stride), np.random.default_rng(0)
    weights = random_weights(architecture, rng)
    x = rng.normal(size=(100, *shape))
    morphism = RemoveLayer(2)
    moved = morphism.transfer(TransferRequest(architecture, weights, rng, x))
    expected = until(architecture, weights, 3, x)
    loss = ((until(morphism.apply(architecture), moved, 3, x) - expected) ** 2).mean()

    Z = np.array(list(windows(until(architecture, weights, 1, x), stride)))
    y = np.moveaxis(expected, 1, -1).reshape(len(Z), 3)
    best = ((Z @ np.linalg.lstsq(Z, y, rcond=None)[0] - y) ** 2).mean()
    assert best <= loss <= 1.02 * best


@pytest.mark.parametrize(("shape", "stride"), [((1, 6, 6), 1), ((1, 21), 2)])
def test_a_convolution_without_bias_comes_as_close_as_its_windows_alone_allow(shape, stride):
    architecture = network(*shape, stride=stride, bias=False)
    rng = np.random.default_rng(0)
    weights = random_weights(architecture, rng)
    weights[2]["bias"] = weights[2]["bias"] + 3  # a constant would help a lot
    x = rng.normal(size=(100, *shape))
    moved = RemoveLayer(2).transfer(TransferRequest(architecture, weights, rng, x))
    assert set(moved[3]) == {"weight"}
    expected = until(architecture, weights, 3, x)
    found = until(RemoveLayer(2).apply(architecture), moved, 3, x)
    loss = ((found - expected) ** 2).mean()

    Z = np.array(list(windows(until(architecture, weights, 1, x), stride)))[:, :-1]
    y = np.moveaxis(expected, 1, -1).reshape(len(Z), 3)
    best = ((Z @ np.linalg.lstsq(Z, y, rcond=None)[0] - y) ** 2).mean()
    assert best <= loss <= 1.02 * best


def normed(architecture: Architecture, node_id: int) -> Architecture:
    """The architecture with a batch norm behind a node."""
    return architecture.with_inserted(node_id, [Node(20, BatchNorm(), (node_id,))])


@pytest.mark.parametrize("width", [2, 160])  # regression on windows, or on channels
def test_a_batch_norm_takes_the_constant_of_a_convolution_without_bias(width):
    """The output equals that of the convolution with a bias and its norm."""
    rng, x = np.random.default_rng(0), np.random.default_rng(1).normal(size=(60, 1, 4, 4))
    found = []
    weights = random_weights(normed(network(1, 4, 4, width=width), 3), rng)
    weights[2]["bias"] = weights[2]["bias"] + 3
    weights[3]["bias"] = np.zeros(3)
    for bias in (True, False):
        architecture = normed(network(1, 4, 4, width=width, bias=bias), 3)
        if not bias:
            weights = weights | {3: {"weight": weights[3]["weight"]}}
        moved = RemoveLayer(2).transfer(
            TransferRequest(architecture, weights, np.random.default_rng(2), x)
        )
        child = RemoveLayer(2).apply(architecture)
        check(child, moved)
        found.append(until(child, moved, 20, x))  # the layers behind it make up for errors
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-9)


def test_a_dense_layer_without_bias_is_fitted_without_a_constant():
    layers = (Dense(5), ReLU(), Dense(5), ReLU(), Dense(4, bias=False), ReLU(), Dense(3), Output())
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate(layers, 1)]
    architecture, rng = Architecture((Node(0, Input((6,))), *nodes)), np.random.default_rng(0)
    weights, x = random_weights(architecture, rng), rng.normal(size=(300, 6))
    moved = RemoveLayer(3).transfer(TransferRequest(architecture, weights, rng, x))
    child = RemoveLayer(3).apply(architecture)
    check(child, moved)
    y = until(architecture, weights, 5, x)
    Z = until(architecture, weights, 2, x)
    best = ((Z @ np.linalg.lstsq(Z, y, rcond=None)[0] - y) ** 2).mean()
    loss = ((until(child, moved, 5, x) - y) ** 2).mean()
    assert best <= loss <= 1.1 * best


def test_a_convolution_of_large_windows_loses_less_than_without_a_fit():
    architecture, rng = network(1, 4, 4, width=160), np.random.default_rng(0)
    assert architecture.shapes[2][0] * 9 > MAX_WINDOW_VALUES
    weights = random_weights(architecture, rng)
    x = rng.normal(size=(60, 1, 4, 4))
    morphism = RemoveLayer(2)
    child, y = morphism.apply(architecture), forward(architecture, weights, x)
    selected = selections(architecture, morphism.reduction(architecture))
    cut = slice_weights(architecture, weights, child, selected)
    fitted = morphism.transfer(TransferRequest(architecture, weights, rng, x))
    losses = [np.square(forward(child, one, x) - y).mean() for one in (fitted, cut)]
    assert losses[0] < 0.5 * losses[1]


def test_activations_that_overflow_leave_the_weights_as_they_were_cut():
    architecture, rng = network(1, 4, 4), np.random.default_rng(0)
    weights = random_weights(architecture, rng, np.float32)
    weights[1] = {name: array * np.float32(1e38) for name, array in weights[1].items()}
    moved = RemoveLayer(2).transfer(TransferRequest(architecture, weights, rng))
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(moved[3][name], weights[3][name])
    narrower = Narrow(1, 1)
    check(
        narrower.apply(architecture), narrower.transfer(TransferRequest(architecture, weights, rng))
    )


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 20), (12,)])
def test_the_last_remaining_branch_of_a_sum_is_refitted_to_the_sum(shape):
    """A ReLU behind zeros alone would be dead."""
    kind: type = {3: Conv2d, 2: Conv1d, 1: Dense}[len(shape)]
    chain = (
        Node(0, Input(shape)),
        Node(1, kind(4), (0,)),
        Node(2, ReLU(), (1,)),
        Node(3, kind(4), (2,)),
        Node(4, ReLU(), (3,)),
        *([Node(5, Flatten(), (4,))] if len(shape) > 1 else []),
        Node(6, Dense(3), (5 if len(shape) > 1 else 4,)),
        Node(7, Output(), (6,)),
    )
    architecture, rng = Architecture(chain), np.random.default_rng(0)
    weights = random_weights(architecture, rng)
    skip = AddSkip(0, 3)
    weights, skipped = (
        skip.transfer(TransferRequest(architecture, weights, rng)),
        skip.apply(architecture),
    )
    (merge,) = [node for node in skipped.nodes if len(node.inputs) > 1]
    x = rng.normal(size=(400, *shape))

    cut = RemoveSkip(merge.id, merge.inputs.index(3))
    rest, child = cut.transfer(TransferRequest(skipped, weights, rng, x)), cut.apply(skipped)

    check(child, rest)
    (heir,) = [source for source in merge.inputs if source != 3]
    fitted = child.node(heir).layer.forward(rest[heir], [x])
    sum_before = until(architecture, weights, 3, x)
    rows = [np.moveaxis(one, 1, -1).reshape(-1, one.shape[1]) for one in (x, sum_before, fitted)]
    read = np.column_stack([rows[0], np.ones(len(rows[0]))])
    best = read @ np.linalg.lstsq(read, rows[1], rcond=None)[0]
    assert np.mean((rows[2] - rows[1]) ** 2) < 1.1 * np.mean((best - rows[1]) ** 2)


def test_weights_that_few_examples_do_not_determine_stay_as_they_were():
    """Inputs that the examples never show keep their old weights; a constant input stays zero."""
    layers = (Dense(6), Dense(6), Dense(4), Dense(3), Output())
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate(layers, 1)]
    architecture, rng = Architecture((Node(0, Input((6,))), *nodes)), np.random.default_rng(0)
    weights = random_weights(architecture, rng)
    weights[1]["weight"][3] = 0  # channel 3 is constant
    moved = RemoveLayer(2).transfer(
        TransferRequest(architecture, weights, rng, rng.normal(size=(200, 6)))
    )
    old, new = weights[3]["weight"], moved[3]["weight"]
    S = np.eye(6)
    np.testing.assert_allclose(new[:, 3], old @ S[:, 3], rtol=1e-6)
    assert np.abs(new[:, :3] - old[:, :3]).max() > 0.01


@pytest.mark.parametrize("count", [20, 200])
def test_a_fit_is_the_ridge_regression_of_the_notation(count):
    """By least squares with additional rows; the penalty is larger for few examples."""
    layers = (Dense(9), Dense(9), Dense(4), Dense(3), Output())
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate(layers, 1)]
    architecture, rng = Architecture((Node(0, Input((9,))), *nodes)), np.random.default_rng(0)
    weights, inputs = random_weights(architecture, rng), rng.normal(size=(count, 9))
    moved = RemoveLayer(2).transfer(TransferRequest(architecture, weights, rng, inputs))

    x, z = (until(architecture, weights, node_id, inputs) for node_id in (2, 1))
    x, z = x - x.mean(axis=0), z - z.mean(axis=0)
    penalty = (RIDGE + FEW_ROWS_RIDGE * 9 / count) * (z**2).mean(axis=0).mean()
    rows = np.vstack([z, np.sqrt(count * penalty) * np.eye(9)])
    targets = np.vstack([x, np.sqrt(count * penalty) * np.eye(9)])
    A = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(moved[3]["weight"], weights[3]["weight"] @ A.T, rtol=1e-8)
