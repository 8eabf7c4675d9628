"""A small data set in storage, and orders to train on it."""

from typing import Any
from uuid import UUID

import numpy as np

from core.data.datasets import Arrays, encode, spec
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.layers import Conv2d, Dense, Flatten, Input, MaxPool2d, Output, ReLU
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.storage import Storage

CLASSES = ("left", "right", "über & out")
NETWORK = chain(
    iter(
        [
            Input((1, 6, 4)),
            *(Conv2d(4), ReLU(), Conv2d(6), ReLU()),
            *(MaxPool2d(), Flatten()),
            *(Dense(3), Output()),
        ]
    )
)


def arrays(train: int = 90, test: int = 30, seed: int = 0) -> Arrays:
    """Byte images; each class is bright in another column."""
    rng = np.random.default_rng(seed)
    y = np.arange(train + test) % 3
    x = rng.integers(0, 120, size=(train + test, 1, 6, 4))
    x[np.arange(len(y)), 0, :, y] += 80
    x = x.astype(np.uint8)
    return Arrays(x[:train], y[:train], x[train:], y[train:], CLASSES)


def described(data: Arrays) -> DatasetSpec:
    """The data set's description, as the controller sends it."""
    return spec(data, flip=False)


def order_for(
    storage: Storage,
    data: Arrays | None = None,
    architecture: Architecture = NETWORK,
    hyperparameters: dict[str, Any] | None = None,
    **changes: Any,
) -> TrainOrder:
    """An order to train the architecture on the data, which is put into storage."""
    data = data or arrays()
    quick: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 0.02}
    fields: dict[str, Any] = {
        "search_id": UUID(int=1),
        "trial_id": UUID(int=2),
        "number": 0,
        "attempt": 1,
        "token": UUID(int=3),
        "lease_seconds": 30,
        "task": "image-classification",
        "seed": 1,
        "architecture": architecture.to_json(),
        "dataset": storage.put("datasets", encode(data), "safetensors"),
        "dataset_name": "columns",
        "dataset_spec": described(data),
        "hyperparameters": Hyperparameters(**quick | (hyperparameters or {})),
    }
    return TrainOrder(**fields | changes)
