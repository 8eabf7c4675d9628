"""The reference: what a network computes in evaluation, in numpy."""

import numpy as np

from core.architecture import Architecture, Node
from core.layers import Array
from core.propagation import propagate
from core.weights import Weights

_CHUNK = 256  # examples at a time, so that the memory stays bounded


def forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    """The logits of a batch of examples: (N, *input_shape) -> (N, classes)."""
    chunks = [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
    return np.concatenate([_forward(architecture, weights, chunk) for chunk in chunks])


def _forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    def compute(node: Node, inputs: list[Array]) -> Array:
        return node.layer.forward(weights.get(node.id, {}), inputs)

    return propagate(architecture, x, compute)
