"""Training as in tutorials: single precision, Adam, half a cosine, without Netmorph's recipe.

Only the batches come from `worker.trainer.data.examples`, so that both see the same examples and
augmentation.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core.data.datasets import Arrays
from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.evaluation import evaluate

BATCH_SIZE = 128
MIN_STEPS = 8  # in an epoch: small data sets have smaller batches
LEARNING_RATE = 1e-3
TASK = "image-classification"


def train_plainly(
    architecture: Architecture,
    arrays: Arrays,
    spec: DatasetSpec,
    *,
    seconds: float,
    seed: int,
    clock: Callable[[], float],
) -> float:
    """The test accuracy after this many seconds of training on all training examples."""
    began = clock()
    device, generator = torch.device("cpu"), torch.Generator().manual_seed(seed)
    normalisation = Normalisation.of(arrays.x_train)
    training = Examples(
        arrays.x_train, arrays.y_train, normalisation, device, augmentation=_augmentation(spec)
    )
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(seed)))
    network.seed(seed, device)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    size = min(BATCH_SIZE, max(8, len(training) // MIN_STEPS))
    network.train()
    while (share := (clock() - began) / seconds) < 1:
        for x, y in training.training_batches(size, generator):
            share = min(1.0, (clock() - began) / seconds)
            _set_rate(optimiser, LEARNING_RATE * (1 + math.cos(math.pi * share)) / 2)
            loss: Any = cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if share >= 1:
                break
    test = Examples(arrays.x_test, arrays.y_test, normalisation, device)
    return evaluate(network, test, TASK, Compute(device)).metric


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _augmentation(spec: DatasetSpec) -> str:
    if len(spec.input_shape) != 3:
        return "none"
    return "shift-flip" if spec.flip else "shift"
