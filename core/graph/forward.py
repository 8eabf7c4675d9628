"""The reference: what a network computes in evaluation, in numpy."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Array

Compute = Callable[[Node, list[Array]], Array]  # a node and what it reads -> what it gives

_CHUNK = 256  # examples at a time, so that the memory stays bounded


def forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    """The logits of a batch of examples: (N, *input_shape) -> (N, classes)."""
    chunks = [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
    return np.concatenate([_forward(architecture, weights, chunk) for chunk in chunks])


def _forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    def compute(node: Node, inputs: list[Array]) -> Array:
        return node.layer.forward(weights.get(node.id, {}), inputs)

    return propagate(architecture, x, compute)


def propagate(architecture: Architecture, x: Array, compute: Compute) -> Array:
    """The values of the last node, each node's computed once, in topological order."""
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
