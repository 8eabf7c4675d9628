"""Small trainings: networks and examples of three classes."""

import numpy as np
import torch

from core.graph.building import chain
from core.graph.initialisation import initialise
from core.layers import BatchNorm, Conv2d, Dense, Dropout, GlobalAvgPool2d, Input, Output, ReLU
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.loop import train

CPU = torch.device("cpu")
PLAIN = Compute(CPU)
TASK = "image-classification"
MLP = chain(iter([Input((6,)), Dense(16), BatchNorm(), ReLU(), Dense(3), Output()]))
PLAIN_MLP = chain(iter([Input((6,)), Dense(16), ReLU(), Dense(3), Output()]))
CNN = chain(
    iter(
        [
            Input((2, 8, 8)),
            *(Conv2d(6), BatchNorm(), ReLU(), GlobalAvgPool2d(), Dropout(0.3)),
            *(Dense(3), Output()),
        ]
    )
)


class SlowExamples(Examples):
    """Examples whose evaluation takes time."""

    def batches(self, size):
        self.wait()
        return super().batches(size)


def network_of(architecture, seed=0):
    network = Network(architecture)
    network.read(initialise(architecture, np.random.default_rng(seed)))
    return network


def blobs(count, shape=(6,), seed=0, *, wrong=False, kind=Examples, **options):
    """Three classes, each around a value of its own; `wrong`: with each other's labels."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(count) % 3)
    centres = np.random.default_rng(9).normal(size=(3, *shape))
    x = (centres[y] + 0.3 * rng.normal(size=(count, *shape))).astype(np.float32)
    plain = Normalisation((0.0,) * shape[0], (1.0,) * shape[0])
    return kind(x, (y + wrong) % 3, plain, CPU, **options)


def train_with(network, training, validation, /, seed=0, compute=PLAIN, **options):
    """Train; options that are no arguments of `train` are hyperparameters."""
    names = ("chance_loss", "should_stop", "on_step", "on_epoch", "clock", "checkpointer", "state")
    arguments = {name: options.pop(name) for name in names if name in options}
    h = Hyperparameters(**{"epochs": 5, "batch_size": 16, "learning_rate": 0.01} | options)
    return train(
        network, training, validation, h, task=TASK, seed=seed, compute=compute, **arguments
    )
