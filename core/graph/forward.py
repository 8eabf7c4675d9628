"""The forward pass of a network in evaluation mode, in numpy: the reference for torch."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Array

Compute = Callable[[Node, list[Array]], Array]  # a node and its inputs -> its output, batches

_CHUNK = 256  # examples at a time; bounds the memory


def forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    """The logits of a batch of examples: (N, *input_shape) -> (N, classes)

    The batch may be empty; the precision is that of the weights and examples.
    """
    chunks = [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
    return np.concatenate([_forward(architecture, weights, chunk) for chunk in chunks])


def _forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    def compute(node: Node, inputs: list[Array]) -> Array:
        return node.layer.forward(weights.get(node.id, {}), inputs)

    return propagate(architecture, x, compute)


def propagate(architecture: Architecture, x: Array, compute: Compute) -> Array:
    """The output of the last node: (N, *input_shape) -> (N, classes)

    Calls `compute` for each node but the input, in topological order, and drops a value after its
    last reader.
    """
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    for node in others:
        values[node.id] = compute(node, [values[source] for source in node.inputs])
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]
    return values[architecture.nodes[-1].id]
