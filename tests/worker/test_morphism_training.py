"""What a morphism adds takes part in training at once, and copies part company."""

import numpy as np
import pytest
import torch

from core.architecture import Architecture
from core.contracts import Bounds, DatasetSpec
from core.forward import forward
from core.layers import BatchNorm
from core.morphisms import MORPHISMS
from core.roots import roots
from core.weights import Weights, initialise
from worker.network import Network

BOUNDS = Bounds()
ZERO_BLOCKS = ["residual", "separable", "squeeze_excite"]


def start(*shape: int) -> Architecture:
    """The default start for examples of this shape."""
    spec = DatasetSpec(
        input_shape=shape,
        classes=4,
        class_names=tuple("abcd"),
        train_examples=100,
        test_examples=20,
        dtype="float32",
    )
    return roots(spec, BOUNDS)[0]


@pytest.fixture(params=[(1, 8, 8), (2, 12)], ids=["image", "signal"])
def parent(request) -> tuple[Architecture, Weights]:
    """A network after a few steps of training."""
    architecture = start(*request.param)
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(0)))
    gradients_of_steps(network, 5, architecture)
    return architecture, network.weights()


def gradients_of_steps(
    network: Network, steps: int, architecture: Architecture
) -> dict[str, torch.Tensor]:
    """The sizes of the gradients of each parameter, summed over some steps of training."""
    torch.manual_seed(0)
    network.seed(0, torch.device("cpu"))
    x, y = torch.randn(32, *architecture.input_shape), torch.randint(4, (32,))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    seen = {name: torch.zeros_like(p) for name, p in network.layers.named_parameters()}
    network.train()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        for name, parameter in network.layers.named_parameters():
            seen[name] += parameter.grad.abs()
        optimiser.step()
    return seen


def cancelled_by_a_norm(architecture: Architecture, name: str) -> bool:
    """Whether it is a bias that the batch norm behind it takes away again."""
    node_id, _, parameter = name.partition(".")
    readers = [architecture.node(reader).layer for reader in architecture.readers(int(node_id))]
    return parameter == "bias" and any(isinstance(layer, BatchNorm) for layer in readers)


@pytest.mark.parametrize("kind", [k for k in MORPHISMS if MORPHISMS[k].preserves_function])
def test_gradients_reach_every_new_weight_within_two_steps(kind, parent):
    architecture, weights = parent
    for morphism in MORPHISMS[kind].candidates(architecture, BOUNDS):
        rng = np.random.default_rng(1)
        child = morphism.apply(architecture)
        network = Network(child)
        network.read(morphism.transfer(architecture, weights, rng))
        old = {name: tuple(p.shape) for name, p in Network(architecture).layers.named_parameters()}
        for name, seen in gradients_of_steps(network, 2, architecture).items():
            is_new = old.get(name) != tuple(seen.shape)
            if is_new and not cancelled_by_a_norm(child, name):
                assert (seen > 1e-7).float().mean() > 0.5, f"{morphism}: {name}"


def test_copies_of_a_widened_layer_part_company(parent):
    architecture, weights = parent
    for morphism in MORPHISMS["widen"].candidates(architecture, BOUNDS):
        network = Network(morphism.apply(architecture))
        before = morphism.transfer(architecture, weights, np.random.default_rng(1))
        network.read(before)
        gradients_of_steps(network, 3, architecture)
        rows = network.weights()[morphism.node_id]["weight"]
        moved = (rows != before[morphism.node_id]["weight"]).reshape(len(rows), -1).any(axis=1)
        assert moved.mean() > 0.8  # the others' activations are negative on every example
        rows = rows.reshape(len(rows), -1)[moved]
        distances = np.abs(rows[:, None] - rows[None]).sum(axis=2) + np.eye(len(rows))
        assert distances.min() > 1e-5


@pytest.mark.parametrize("kind", ZERO_BLOCKS)
def test_a_block_that_ends_in_zero_changes_nothing_in_training_either(kind, parent):
    architecture, weights = parent
    x = torch.randn(16, *architecture.input_shape, generator=torch.Generator().manual_seed(0))

    def in_training(architecture, weights):
        network = Network(architecture)
        network.read(weights)
        network.seed(0, torch.device("cpu"))
        with torch.inference_mode():
            return network.train()(x).numpy()

    expected = in_training(architecture, weights)
    for morphism in MORPHISMS[kind].candidates(architecture, BOUNDS):
        moved = morphism.transfer(architecture, weights, np.random.default_rng(1))
        np.testing.assert_array_equal(in_training(morphism.apply(architecture), moved), expected)


def test_torch_computes_what_the_reference_does_after_morphisms(parent):
    architecture, weights = parent
    rng = np.random.default_rng(2)
    for kind in MORPHISMS:
        morphism = next(iter(MORPHISMS[kind].candidates(architecture, BOUNDS)))
        weights = morphism.transfer(architecture, weights, rng)
        architecture = morphism.apply(architecture)
    network = Network(architecture)
    network.read(weights)
    x = rng.normal(size=(4, *architecture.input_shape)).astype(np.float32)
    with torch.inference_mode():
        y = network.eval()(torch.from_numpy(x)).numpy()
    expected = forward(architecture, weights, x)
    assert np.abs(y - expected).max() <= 1e-4 * np.abs(expected).max()
