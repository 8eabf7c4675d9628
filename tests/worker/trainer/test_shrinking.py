"""On trained networks, a shrinking morphism with a refit loses far less than one without."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms import MORPHISMS, TransferRequest
from core.morphisms.reduction import selections, slice_weights
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.networks.network import Network

SPEC = DatasetSpec(
    input_shape=(1, 8, 8),
    classes=10,
    class_names=tuple("0123456789"),
    train_examples=1200,
    test_examples=597,
    dtype="float32",
)
SMALL = Bounds(parameters=12_000)
KINDS = ("vgg", "resnet")
CANDIDATES = 6  # about as many of each kind, from all over the network


def digits() -> tuple[Array, Array]:
    data = load_digits()
    x = (data.images - data.images.mean()) / data.images.std()
    order = np.random.default_rng(0).permutation(len(x))
    return x[order, None].astype(np.float32), data.target[order]


def trained(architecture: Architecture, x: Array, y: Array) -> Weights:
    """The weights after a few epochs."""
    torch.manual_seed(0)
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(0)))
    network.seed(0, torch.device("cpu"))
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for _ in range(7):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            logits = network(torch.from_numpy(x)[batch])
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)[batch]).backward()
            optimiser.step()
    return network.weights()


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[Architecture, Weights, Array, Array, Array]]:
    x, y = digits()
    found = {}
    for kind in KINDS:
        architecture = all_roots(SPEC, SMALL)[kind]
        weights = trained(architecture, x[:1200], y[:1200])
        found[kind] = (architecture, weights, x[:256], x[1200:], y[1200:])
    return found


def loss(before: Array, after: Array) -> float:
    """The error of the logits, in their standard deviations."""
    return float(np.sqrt(((after - before) ** 2).mean()) / before.std())


def merely_cut(morphism, architecture: Architecture, weights: Weights) -> Weights:
    """The first channels, or the remaining layers, without a refit."""
    selected = selections(architecture, morphism.reduction(architecture))
    return slice_weights(architecture, weights, morphism.apply(architecture), selected)


@pytest.mark.parametrize("root", KINDS)
@pytest.mark.parametrize("kind", ["narrow", "remove_layer", "remove_skip"])
def test_refitting_keeps_most_of_the_function_of_a_trained_network(networks, root, kind):
    architecture, weights, probe, x, y = networks[root]
    logits = forward(architecture, weights, x)
    assert (logits.argmax(axis=1) == y).mean() > 0.8
    fitted, cut, right = [], [], []
    candidates = list(MORPHISMS[kind].candidates(architecture, Bounds()))
    for morphism in candidates[:: max(1, len(candidates) // CANDIDATES)]:
        rng = np.random.default_rng(0)
        child = morphism.apply(architecture)
        after = forward(
            child, morphism.transfer(TransferRequest(architecture, weights, rng, probe)), x
        )
        before = forward(child, merely_cut(morphism, architecture, weights), x)
        fitted.append(loss(logits, after))
        cut.append(loss(logits, before))
        right.append((after.argmax(axis=1) == y).mean())
        assert fitted[-1] <= cut[-1] + 1e-6
    if fitted:
        assert np.mean(fitted) < 0.65 * np.mean(cut)
        assert np.mean(right) > (logits.argmax(axis=1) == y).mean() - 0.2
