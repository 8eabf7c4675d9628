"""New weights of a morphism are trained at once, and copied units become different."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.graph.weights import Weights
from core.layers import BatchNorm
from core.morphisms import MORPHISMS, AbstractMorphism, TransferRequest
from core.morphisms.schemes import is_dropped
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.networks.network import Network

BOUNDS = Bounds()
SMALL = Bounds(parameters=6_000)
#: Examples, and the share of the new weights that their gradients reach at least. A weight has a
#: gradient only where the unit that it reads and the unit that it makes are both positive for one
#: example. In a dense layer of 64 units behind dropout, 21 % of the pairs never are among 64
#: examples, 17 % among 256 and 5 % among 1,024: the share is limited by the examples.
FEW, REACHED_BY_FEW = 64, 0.7
MANY, REACHED_BY_MANY = 1024, 0.9
PRESERVING = [kind for kind in MORPHISMS if MORPHISMS[kind].preserves_function]
ZERO_BLOCKS = ["residual", "separable", "squeeze_excite"]


def starts(*shape: int) -> dict[str, Architecture]:
    """The roots for examples of this shape, by name."""
    spec = DatasetSpec(
        input_shape=shape,
        classes=4,
        class_names=tuple("abcd"),
        train_examples=100,
        test_examples=20,
        dtype="float32",
    )
    return {f"{name}-{len(shape)}d": root for name, root in all_roots(spec, SMALL).items()}


STARTS = starts(1, 8, 8) | starts(2, 12) | starts(6)
PLAIN = ["cnn-3d", "cnn-2d"]
SOME = [name for name in STARTS if name.endswith("3d") or name in ("cnn-2d", "mlp-1d")]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads would wait for each other on such small networks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def trained(name: str) -> tuple[Architecture, Weights]:
    """A root after a few steps of training."""
    architecture = STARTS[name]
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(0)))
    gradients_of_steps(network, 5, architecture)
    return architecture, network.weights()


@pytest.fixture(params=PLAIN)
def parent(request) -> tuple[Architecture, Weights]:
    """A plain network of images or signals after a few steps of training."""
    return trained(request.param)


def gradients_of_steps(
    network: Network, steps: int, architecture: Architecture, examples: int = 64
) -> dict[str, torch.Tensor]:
    """The sizes of the gradients of each parameter, summed over some steps of training."""
    torch.manual_seed(0)
    network.seed(0, torch.device("cpu"))
    x, y = torch.randn(examples, *architecture.input_shape), torch.randint(4, (examples,))
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
    """Whether it is a bias that the next batch norm cancels."""
    node_id, _, parameter = name.partition(".")
    readers = [architecture.node(reader).layer for reader in architecture.readers(int(node_id))]
    return parameter == "bias" and any(isinstance(layer, BatchNorm) for layer in readers)


def inside(architecture: Architecture, name: str, weights: torch.Tensor) -> torch.Tensor:
    """The weights that ever read a pixel: the border of a large window only reads padding."""
    node = architecture.node(int(name.partition(".")[0]))
    for axis, side in enumerate(architecture.input_shapes(node)[0][1:], start=2):
        if axis < weights.ndim:
            window = weights.shape[axis]
            offsets = torch.arange(window) - window // 2
            weights = weights.index_select(axis, torch.where(offsets.abs() < side)[0])
    return weights


def reached(name: str, morphism: AbstractMorphism, examples: int) -> dict[str, float]:
    """Of each new parameter, the share that some gradient of the first two steps reaches."""
    architecture, weights = trained(name)
    child = morphism.apply(architecture)
    network = Network(child)
    network.read(
        morphism.transfer(TransferRequest(architecture, weights, np.random.default_rng(1)))
    )
    old = {key: tuple(p.shape) for key, p in Network(architecture).layers.named_parameters()}
    return {
        key: (inside(child, key, seen) > 0).float().mean().item()
        for key, seen in gradients_of_steps(network, 2, architecture, examples).items()
        if old.get(key) != tuple(seen.shape) and not cancelled_by_a_norm(child, key)
    }


@pytest.mark.parametrize("kind", PRESERVING)
@pytest.mark.parametrize("name", SOME)
def test_gradients_reach_new_weights_within_two_steps(name, kind):
    """Nearly all of them: some units are zero for all examples."""
    found = list(MORPHISMS[kind].candidates(STARTS[name], BOUNDS))
    for morphism in {found[0], found[-1]} if found else ():
        shares = reached(name, morphism, FEW)
        assert all(share > REACHED_BY_FEW for share in shares.values()), f"{morphism}: {shares}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", PRESERVING)
@pytest.mark.parametrize("name", STARTS)
def test_gradients_reach_the_new_weights_of_every_candidate(name, kind):
    for morphism in MORPHISMS[kind].candidates(STARTS[name], BOUNDS):
        shares = reached(name, morphism, MANY)
        assert all(share > REACHED_BY_MANY for share in shares.values()), f"{morphism}: {shares}"


def test_the_copied_units_of_a_widened_layer_become_different(parent):
    architecture, weights = parent
    for morphism in MORPHISMS["widen"].candidates(architecture, BOUNDS):
        network = Network(morphism.apply(architecture))
        before = morphism.transfer(TransferRequest(architecture, weights, np.random.default_rng(1)))
        network.read(before)
        gradients_of_steps(network, 3, architecture)
        rows = network.weights()[morphism.node_id]["weight"]
        moved = (rows != before[morphism.node_id]["weight"]).reshape(len(rows), -1).any(axis=1)
        assert moved.mean() > 0.8  # the others' activations are negative on every example
        rows = rows.reshape(len(rows), -1)[moved]
        distances = np.abs(rows[:, None] - rows[None]).sum(axis=2) + np.eye(len(rows))
        assert distances.min() > 1e-5


def in_training(architecture: Architecture, weights: Weights) -> np.ndarray:
    """The network's outputs in training mode, with dropouts from one seed."""
    network = Network(architecture)
    network.read(weights)
    network.seed(0, torch.device("cpu"))
    x = torch.randn(16, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found: np.ndarray = network.train()(x).numpy()
    return found


@pytest.mark.parametrize("kind", ZERO_BLOCKS)
def test_a_block_that_ends_in_zero_changes_nothing_in_training_either(kind, parent):
    architecture, weights = parent
    expected = in_training(architecture, weights)
    for morphism in MORPHISMS[kind].candidates(architecture, BOUNDS):
        moved = morphism.transfer(TransferRequest(architecture, weights, np.random.default_rng(1)))
        np.testing.assert_array_equal(in_training(morphism.apply(architecture), moved), expected)


@pytest.mark.parametrize("name", STARTS)
def test_channels_that_no_dropout_drops_change_nothing_in_training_either(name):
    architecture, weights = trained(name)
    expected = in_training(architecture, weights)
    for morphism in MORPHISMS["widen"].candidates(architecture, BOUNDS):
        segment = architecture.segments[morphism.node_id][morphism.segment]
        if not is_dropped(architecture, segment):
            moved = morphism.transfer(
                TransferRequest(architecture, weights, np.random.default_rng(1))
            )
            found = in_training(morphism.apply(architecture), moved)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_torch_computes_what_the_reference_does_after_morphisms(parent):
    architecture, weights = parent
    rng = np.random.default_rng(2)
    for kind in MORPHISMS:
        morphism = next(iter(MORPHISMS[kind].candidates(architecture, BOUNDS)))
        weights = morphism.transfer(TransferRequest(architecture, weights, rng))
        architecture = morphism.apply(architecture)
    network = Network(architecture)
    network.read(weights)
    x = rng.normal(size=(4, *architecture.input_shape)).astype(np.float32)
    with torch.inference_mode():
        y = network.eval()(torch.from_numpy(x)).numpy()
    expected = forward(architecture, weights, x)
    assert np.abs(y - expected).max() <= 1e-4 * np.abs(expected).max()
