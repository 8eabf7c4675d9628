"""Measures how accurate a trained network is after shrinking, with and without least squares.

A small network is trained on the digits by the worker's own loop; every candidate of each shrinking
kind is then applied to it, once as a worker does, and once by cutting channels and layers out
without refitting the rest. Nothing is trained afterwards.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from api.builtins import BUILTINS
from benchmarks import reporting
from core.data.datasets import spec
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms import MORPHISMS, TransferRequest
from core.morphisms.reduction import selections, slice_weights
from core.morphisms.shrinking import AbstractShrinking
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.loop import train

BOUNDS = Bounds(parameters=12_000)  # of the trained networks
KINDS = ("vgg", "resnet", "densenet")
QUICK_KINDS = ("resnet",)
QUICK_CANDIDATES = 4  # of each kind
EPOCHS, PROBE = 8, 256


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, the examples that a transfer may use, and those for evaluation."""

    architecture: Architecture
    weights: Weights
    probe: Array
    x: Array
    y: NDArray[np.int64]

    def evaluated(self, architecture: Architecture, weights: Weights) -> tuple[float, Array]:
        """The accuracy of some weights, and their logits."""
        logits = forward(architecture, weights, self.x)
        return float((logits.argmax(axis=1) == self.y).mean()), logits


@dataclass(slots=True)
class Losses:
    """Accuracies and changes after the morphisms of one kind."""

    accuracies: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)

    def add(self, accuracy: float, logits: Array, expected: Array) -> None:
        """Add one; the change is the error of the logits in their standard deviations."""
        self.accuracies.append(accuracy)
        self.changes.append(float(np.sqrt(((logits - expected) ** 2).mean()) / expected.std()))

    def summary(self) -> reporting.Result:
        """The means."""
        return {"accuracy": np.mean(self.accuracies), "change": np.mean(self.changes)}


def measure(*, quick: bool) -> reporting.Result:
    """The results of each network by kind: with least squares, and cut only."""
    result: reporting.Result = {}
    for kind in QUICK_KINDS if quick else KINDS:
        network = trained(kind)
        accuracy, _ = network.evaluated(network.architecture, network.weights)
        result[kind] = {"accuracy": accuracy} | {
            name: losses for name in MORPHISMS if (losses := _losses(network, name, quick))
        }
    return result


def trained(kind: str) -> Trained:
    """A start of this kind, trained on the digits."""
    arrays = BUILTINS["digits"].load()
    architecture = all_roots(spec(arrays, flip=False), BOUNDS)[kind]
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(0)))
    cpu, normalisation = torch.device("cpu"), Normalisation.of(arrays.x_train)
    training = Examples(arrays.x_train, arrays.y_train, normalisation, cpu)
    test = Examples(arrays.x_test, arrays.y_test, normalisation, cpu)
    recipe = Hyperparameters(epochs=EPOCHS, batch_size=32, learning_rate=3e-3)
    task = "image-classification"
    train(network, training, None, recipe, task=task, seed=0, compute=Compute(cpu))
    x = test.some(len(test))
    return Trained(architecture, network.weights(), training.some(PROBE), x, arrays.y_test)


def _losses(network: Trained, name: str, quick: bool) -> reporting.Result | None:
    """The losses by one kind of morphism; None where it does not shrink or has no candidate."""
    cls = MORPHISMS[name]
    if not issubclass(cls, AbstractShrinking):
        return None
    candidates = list(cls.candidates(network.architecture, Bounds()))
    if quick:
        candidates = candidates[:: max(1, len(candidates) // QUICK_CANDIDATES)]
    if not candidates:
        return None
    fitted, cut = Losses(), Losses()
    _, expected = network.evaluated(network.architecture, network.weights)
    for morphism in candidates:
        child, rng = morphism.apply(network.architecture), np.random.default_rng(0)
        moved = morphism.transfer(
            TransferRequest(network.architecture, network.weights, rng, network.probe)
        )
        fitted.add(*network.evaluated(child, moved), expected)
        cut.add(*network.evaluated(child, cut_only(network, morphism)), expected)
    return {
        "count": len(candidates),
        "with_least_squares": fitted.summary(),
        "without": cut.summary(),
    }


def cut_only(network: Trained, morphism: AbstractShrinking) -> Weights:
    """The weights of the remaining channels and layers, without a refit."""
    architecture = network.architecture
    selected = selections(architecture, morphism.reduction(architecture))
    return slice_weights(architecture, network.weights, morphism.apply(architecture), selected)
