"""The weights of an architecture: their names, their validation, and their bytes."""

from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from core.errors import CorruptBlob
from core.graph.architecture import Architecture
from core.layers import Array

#: node id -> parameter name -> array. Arrays are shared between versions and never changed.
Weights = dict[int, dict[str, Array]]


def flatten(weights: Weights) -> dict[str, Array]:
    """The weights by names such as "12.weight": node id, dot, parameter."""
    return {
        f"{node_id}.{name}": array
        for node_id, parameters in weights.items()
        for name, array in parameters.items()
    }


def unflatten(tensors: Mapping[str, Array]) -> Weights:
    """The inverse of `flatten`; raises CorruptBlob for a name of another form."""
    weights: Weights = {}
    for key, array in tensors.items():
        node_id, dot, name = key.partition(".")
        if not (node_id.isascii() and node_id.isdigit() and dot and name):
            raise CorruptBlob(f"a tensor is named {key!r}; expected '<node id>.<parameter>'")
        weights.setdefault(int(node_id), {})[name] = array
    return weights


def check(architecture: Architecture, weights: Weights) -> None:
    """Raise CorruptBlob unless the weights are finite and have the architecture's shapes."""
    expected = {
        f"{node.id}.{name}": shape
        for node in architecture.nodes
        for name, shape in node.layer.parameter_shapes(architecture.input_shapes(node)).items()
    }
    found = flatten(weights)
    if found.keys() != expected.keys():
        missing, unknown = sorted(expected.keys() - found), sorted(found.keys() - expected)
        raise CorruptBlob(f"the weights lack {missing} and have unknown {unknown}")
    for name, array in found.items():
        if array.shape != expected[name]:
            raise CorruptBlob(f"{name} has shape {array.shape}; expected {expected[name]}")
        if not np.isfinite(array).all():
            raise CorruptBlob(f"{name} has NaN or infinite values; expected finite ones")


def save(weights: Weights) -> bytes:
    """The weights as safetensors bytes."""
    tensors = {name: np.ascontiguousarray(array) for name, array in flatten(weights).items()}
    return safetensors.save(tensors)


def load(data: bytes) -> Weights:
    """The weights of safetensors bytes; raises CorruptBlob for anything else."""
    try:
        tensors = safetensors.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptBlob(f"the weights are not safetensors bytes: {error}") from None
    return unflatten(tensors)
