"""The preparation of a given network's inputs, as its first layer, and the scale of its outputs.

The weights of a network that a user gives are for examples as they are stored, because only the
user knows how the inputs were prepared. The preparation is a batch norm behind the input: its
running statistics are the mean and the variance that the network subtracts and divides by. The
trainer normalises examples with the statistics of the data set; `on_normalised` changes the batch
norm accordingly, so that the network computes the same function of the stored examples.

The outputs of a network that predicts numbers are in the units of the data set. The trainer learns
standardised numbers; `with_standardised_outputs` changes the last layer accordingly.
"""

from collections.abc import Sequence

import numpy as np

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Array, BatchNorm, Dense
from core.layers.batch_norm import EPSILON


def input_norm(architecture: Architecture) -> Node:
    """The batch norm behind the input, which prepares the examples for the network.

    Raises InvalidArchitecture where another layer reads the input.
    """
    readers = [architecture.node(i) for i in architecture.readers(architecture.nodes[0].id)]
    if len(readers) != 1 or not isinstance(readers[0].layer, BatchNorm):
        found = ", ".join(type(node.layer).__name__ for node in readers)
        raise InvalidArchitecture(
            f"the input is read by {found}; expected one BatchNorm, whose running mean and "
            "variance are those by which the network's inputs are prepared"
        )
    return readers[0]


def output_layer(architecture: Architecture) -> Node:
    """The dense layer with a bias that computes the outputs.

    Raises InvalidArchitecture where another layer does.
    """
    last = architecture.node(architecture.logits)
    if not isinstance(last.layer, Dense) or not last.layer.bias:
        raise InvalidArchitecture(
            f"the outputs are those of {last.layer!r}; expected a Dense layer with a bias, whose "
            "weights can be changed to those for standardised numbers"
        )
    return last


def with_standardised_outputs(
    architecture: Architecture, weights: Weights, mean: Sequence[float], std: Sequence[float]
) -> Weights:
    """The weights for outputs (y - mean) / std, given those for outputs y.

    Raises InvalidArchitecture where the last layer cannot be changed so.
    """
    node = output_layer(architecture)
    old = weights[node.id]
    scale = np.asarray(std, np.float64)
    new: dict[str, Array] = {
        "weight": old["weight"] / scale[:, None],
        "bias": (old["bias"] - np.asarray(mean, np.float64)) / scale,
    }
    return weights | {node.id: {name: new[name].astype(old[name].dtype) for name in old}}


def on_normalised(
    architecture: Architecture, weights: Weights, mean: Sequence[float], std: Sequence[float]
) -> Weights:
    """The weights for examples (x - mean) / std, given the weights for stored examples x.

    With the scale g = γ / √(σ² + ε) of the batch norm y = g (x - μ) + β behind the input, and
    x = std z + mean, the batch norm of z has the scale g std and the shift β + g (mean - μ). Its
    running statistics become those of normalised examples, mean 0 and variance 1, so that it
    computes nearly the same in training, where the statistics are those of a batch.
    """
    node = input_norm(architecture)
    old = {name: array.astype(np.float64) for name, array in weights[node.id].items()}
    scale = old["weight"] / np.sqrt(old["running_var"] + EPSILON)
    shift = old["bias"] + scale * (np.asarray(mean) - old["running_mean"])
    new: dict[str, Array] = {
        "weight": scale * np.asarray(std) * np.sqrt(1 + EPSILON),
        "bias": shift,
        "running_mean": np.zeros_like(shift),
        "running_var": np.ones_like(shift),
    }
    dtypes = {name: array.dtype for name, array in weights[node.id].items()}
    return weights | {node.id: {name: array.astype(dtypes[name]) for name, array in new.items()}}
