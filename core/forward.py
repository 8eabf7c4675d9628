"""The reference: what a network computes in evaluation, in numpy."""

from collections import Counter

import numpy as np

from core.architecture import Architecture
from core.layers import Array
from core.weights import Weights

_CHUNK = 256  # examples at a time, so that the memory stays bounded


def forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    """The logits of a batch of examples: (N, *input_shape) -> (N, classes)."""
    chunks = [x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)]
    return np.concatenate([_forward(architecture, weights, chunk) for chunk in chunks])


def _forward(architecture: Architecture, weights: Weights, x: Array) -> Array:
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    for node in others:
        inputs = [values[source] for source in node.inputs]
        values[node.id] = node.layer.forward(weights.get(node.id, {}), inputs)
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]
    return values[architecture.nodes[-1].id]
