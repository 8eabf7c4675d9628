"""A torch network computes what the numpy reference does, and its weights are read and written."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.weights import flatten, load, save
from core.layers import (
    LAYERS,
    Add,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Input,
    Output,
    Zero,
)
from tests.strategies import (
    LAYER_EXAMPLES,
    architectures,
    generators,
    morphed_architectures,
    random_inputs,
    random_weights,
)
from worker.layers import MODULES
from worker.trainer.networks.network import Network

CPU = torch.device("cpu")


def network_of(architecture, weights):
    network = Network(architecture)
    network.read(weights)
    return network.eval()


@torch.inference_mode()
def computed(network, x):
    return network(torch.from_numpy(x)).numpy()


def assert_computes_the_reference(architecture, rng):
    weights = random_weights(architecture, rng)
    x = random_inputs(architecture, rng)
    expected = forward(architecture, weights, x)
    network = Network(architecture).double()  # so that the only difference is rounding
    network.read(weights)
    found = computed(network.eval(), x)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def around(layer, shapes):
    """A network that ends in the classes and in which the layer reads inputs of these shapes."""
    nodes = [Node(0, Input(shapes[0] if shapes else layer.shape))]
    sources = []
    for shape in shapes:
        if shape == shapes[0]:
            sources.append(0)
            continue
        source = 0
        if len(shape) < len(shapes[0]):
            nodes.append(Node(len(nodes), Flatten(), (0,)))
            source = len(nodes) - 1
        width = {1: Dense(shape[0]), 2: Conv1d(shape[0], 1), 3: Conv2d(shape[0], 1)}[len(shape)]
        nodes.append(Node(len(nodes), width, (source,)))
        sources.append(len(nodes) - 1)
    if not isinstance(layer, (Input, Output)):
        nodes.append(Node(len(nodes), layer, tuple(sources)))
    if len(layer.output_shape(shapes) if shapes else layer.shape) > 1:
        nodes.append(Node(len(nodes), Flatten(), (len(nodes) - 1,)))
    nodes.append(Node(len(nodes), Dense(3), (len(nodes) - 1,)))
    nodes.append(Node(len(nodes), Output(), (len(nodes) - 1,)))
    return Architecture(tuple(nodes))


def test_every_layer_has_a_module():
    assert set(MODULES) == set(LAYERS)


@pytest.mark.parametrize("kind", list(LAYERS))
def test_a_module_computes_what_its_layer_does(kind):
    rng = np.random.default_rng(0)
    for layer, shapes in LAYER_EXAMPLES[kind]:
        architecture = around(layer, shapes)
        assert kind in {LAYERS.kind_of(node.layer) for node in architecture.nodes}
        assert_computes_the_reference(architecture, rng)


@settings(max_examples=60)
@given(architecture=architectures(), rng=generators)
def test_a_network_computes_what_its_architecture_does(architecture, rng):
    assert_computes_the_reference(architecture, rng)


@settings(max_examples=20)
@given(architecture=morphed_architectures(), rng=generators)
def test_a_morphed_network_computes_what_its_architecture_does(architecture, rng):
    assert_computes_the_reference(architecture, rng)


@settings(max_examples=30)
@given(architecture=architectures(images=True), rng=generators)
def test_the_memory_format_changes_nothing(architecture, rng):
    network = network_of(architecture, random_weights(architecture, rng, np.float32))
    x = random_inputs(architecture, rng, np.float32)
    expected = computed(network, x)
    network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@settings(max_examples=30)
@given(architecture=architectures(), rng=generators)
def test_weights_are_read_back_as_they_were_written(architecture, rng):
    weights = random_weights(architecture, rng, np.float32)
    again = flatten(load(save(network_of(architecture, weights).weights())))
    assert again.keys() == flatten(weights).keys()
    for name, array in flatten(weights).items():
        assert again[name].dtype == np.float32
        np.testing.assert_array_equal(again[name], array)


def test_no_gradient_passes_zeros_and_the_rest_of_the_network_learns():
    """Even beside values that overflowed: such a value times zero would not be zero."""
    architecture = Architecture(
        (
            Node(0, Input((2, 3, 3))),
            Node(1, Conv2d(2, bias=False), (0,)),
            Node(2, Zero(), (1,)),
            Node(3, Conv2d(2, 1), (0,)),
            Node(4, Add(), (2, 3)),
            Node(5, GlobalAvgPool2d(), (4,)),
            Node(6, Dense(3, bias=False), (5,)),
            Node(7, Output(), (6,)),
        )
    )
    weights = random_weights(architecture, np.random.default_rng(0), np.float32)
    weights[1]["weight"] = np.full_like(weights[1]["weight"], 1e38)
    network = network_of(architecture, weights).train()
    loss = network(torch.full((4, 2, 3, 3), 100.0)).square().sum()
    loss.backward()
    assert torch.isfinite(loss)
    learns = {name for name, one in network.named_parameters() if one.grad is not None}
    assert learns == {"layers.3.weight", "layers.3.bias", "layers.6.weight"}


@pytest.fixture
def small():
    return Architecture(
        (
            Node(0, Input((2, 3, 3))),
            Node(1, GlobalAvgPool2d(), (0,)),
            Node(2, Dropout(0.5), (1,)),
            Node(3, Dense(3), (2,)),
            Node(4, Output(), (3,)),
        )
    )


@pytest.fixture
def weights(small):
    return random_weights(small, np.random.default_rng(0), np.float32)


def test_weights_that_were_returned_do_not_change_with_the_network(small, weights):
    network = network_of(small, weights)
    given_out = network.weights()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(given_out[3]["weight"], weights[3]["weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({9: {"bias": np.zeros(3, np.float32)}}, "9.bias"),
        ({3: {"weight": np.zeros((3, 2), np.float32)}}, "expected.*3.bias"),
        (
            {3: {"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(1, np.float32)}},
            r"3.bias has shape \(1,\); expected \(3,\)",
        ),
    ],
)
def test_weights_of_other_names_or_shapes_are_refused(small, weights, changes, message):
    with pytest.raises(ValueError, match=message):
        Network(small).read(weights | changes)


@pytest.fixture
def every_warning():
    """torch warns every time, not once in a process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("every_warning")
def test_weights_may_be_read_only(small, weights):
    for array in flatten(weights).values():
        array.flags.writeable = False
    network = network_of(small, weights)
    with torch.no_grad():
        network.layers["3"].weight.zero_()
    assert weights[3]["weight"].all()  # they were copied


def test_dropout_is_decided_by_the_seed_and_by_nothing_else(small, weights):
    x = np.ones((64, 2, 3, 3), np.float32)
    network = network_of(small, weights).train()

    def dropped(seed, other):
        torch.manual_seed(other)
        network.seed(seed, CPU)
        return computed(network, x)

    first = dropped(1, other=1)
    np.testing.assert_array_equal(dropped(1, other=2), first)
    assert (dropped(2, other=1) != first).any()
    assert len(np.unique(first.round(4), axis=0)) == 4  # both, one, the other or none dropped
    network.eval()
    assert len(np.unique(computed(network, x).round(4), axis=0)) == 1
