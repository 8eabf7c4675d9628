"""Networks learn from initial weights, with every one of their parameters."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.tasks.chance import chance_loss
from tests.strategies import random_chain
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.loop import train

CASE = Path(__file__).parents[2] / "assets" / "architectures" / "many_sums.json"
BATCH = 16
CPU = torch.device("cpu")
SMALL = Bounds(layers=120, width=64, parameters=60_000, flops=400_000)
SHAPES = [(1, 8, 8), (2, 32), (12,)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads would wait for each other on such small networks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def case() -> Architecture:
    """A network of 108 layers, ten sums and nine classes that once learned nothing."""
    return Architecture.from_json(json.loads(CASE.read_text())["architecture"])


def roots(shape: tuple[int, ...]) -> dict[str, Architecture]:
    """Every root for examples of this shape."""
    spec = DatasetSpec(
        input_shape=shape,
        classes=4,
        class_names=tuple("abcd"),
        train_examples=100,
        test_examples=20,
        dtype="float32",
    )
    return dict(all_roots(spec, SMALL))


def morphed(shape: tuple[int, ...], name: str, seed: int) -> Architecture:
    """A root after thirty random morphisms."""
    return random_chain(roots(shape)[name], np.random.default_rng(seed), 30, SMALL).architectures[
        -1
    ]


NETWORKS = [
    pytest.param(shape, name, id=f"{name}-{len(shape)}d")
    for shape in SHAPES
    for name in roots(shape)
]
every_kind = pytest.mark.parametrize(("shape", "name"), NETWORKS)


def network_of(architecture: Architecture, seed: int = 0) -> Network:
    """The network with initial weights, ready to train."""
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(seed)))
    network.seed(seed, CPU)
    return network.train()


def problem(
    shape: tuple[int, ...], classes: int, count: int, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Noise around a coarse pattern of each class, from which examples differ by `spread`."""
    rng = np.random.default_rng(0)
    channels, *sides = shape
    coarse = (channels, *[4] * len(sides))
    y = np.arange(count) % classes
    x = rng.standard_normal((classes, *coarse))[y] + spread * rng.standard_normal((count, *coarse))
    for axis, side in enumerate(sides, start=2):
        x = x.repeat(side // 4, axis=axis)
    return (x + rng.standard_normal((count, *shape))).astype(np.float32), y


def losses(
    architecture: Architecture, classes: int, steps: int, spread: float = 0.0, epochs: int = 10
) -> tuple[float, float]:
    """The mean training loss of the last epoch, at a high learning rate, and the loss of chance."""
    x, y = problem(architecture.input_shape, classes, BATCH * steps // epochs, spread)
    h = Hyperparameters(epochs=epochs, batch_size=BATCH, learning_rate=3e-3)
    examples = Examples(x, y, Normalisation.of(x), CPU)
    outcome = train(
        network_of(architecture),
        examples,
        None,
        h,
        task="image-classification",
        seed=0,
        compute=Compute(CPU),
    )
    return outcome.history[-1].train_loss, chance_loss(np.bincount(y, minlength=classes))


def test_a_network_of_many_sums_learns():
    """The mean is over all steps, so that a large loss at the beginning counts as well."""
    found, chance = losses(case(), classes=9, steps=40, spread=1.0, epochs=1)
    assert found < 0.9 * chance


@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 8, 8), "resnet"), ((1, 8, 8), "densenet"), ((2, 32), "vgg"), ((12,), "mlp")],
)
def test_a_network_learns_after_many_morphisms(shape, name):
    found, chance = losses(morphed(shape, name, seed=0), classes=4, steps=50)
    assert found < 0.6 * chance


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_networks_learn_after_many_morphisms(shape, name, seed):
    found, chance = losses(morphed(shape, name, seed), classes=4, steps=100)
    assert found < 0.6 * chance


@every_kind
def test_logits_with_statistics_of_the_batch_begin_with_a_moderate_size(shape, name):
    for seed in range(2):
        network = network_of(morphed(shape, name, seed))
        x = torch.randn(32, *shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            assert 0.1 <= float(network(x).std()) <= 3


@every_kind
def test_all_weights_take_part_after_a_few_steps(shape, name):
    """No zero weight keeps another one at zero. (Biases before a batch norm never take part.)"""
    network = network_of(morphed(shape, name, seed=1))
    x, y = map(torch.from_numpy, problem(shape, classes=4, count=32))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    weights = {key: p for key, p in network.named_parameters() if key.endswith(".weight")}
    idle = set(weights)
    for _ in range(8):
        optimiser.zero_grad()
        cross_entropy(network(x), y).backward()
        idle -= {key for key in idle if weights[key].grad.abs().max() > 1e-9}
        optimiser.step()
    assert idle == set()
