"""The weights of an architecture: fresh ones, checked ones, as bytes."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from core.architecture import Architecture, Node
from core.branches import branch_gains
from core.errors import CorruptBlob
from core.layers import Array, BatchNorm, Shape
from core.propagation import propagate

#: node id -> parameter name -> array; arrays are shared between versions and never written to.
Weights = dict[int, dict[str, Array]]

_PROBE = 8  # random examples that fresh weights are scaled by
_LOGITS = 0.8  # size of the logits: batch norms and dropouts make them larger in training
_LEAST_SIZE = 1e-2  # of a layer's outputs, in the scaling


def initialise(
    architecture: Architecture, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Weights:
    """Fresh weights with which values keep about the size one, from the input to the logits.

    Each layer's own start, scaled so that its outputs for a few random examples have a mean square
    of one (LSUV: Mishkin & Matas 2016, arXiv:1511.06422), or the gain of a branch, and the
    logits a little less.
    """
    fresh: Weights = {}
    for node in architecture.nodes:
        shapes = architecture.input_shapes(node)
        if parameters := node.layer.initial_parameters(shapes, rng, dtype):
            fresh[node.id] = parameters
    _scale(architecture, fresh, _probe(architecture.input_shape, rng, dtype))
    return fresh


def _scale(architecture: Architecture, fresh: Weights, probe: Array) -> None:
    """Scale fresh weights in place, each layer by what the layers before it make of the probe."""
    gains = dict(branch_gains(architecture))
    (logits,) = architecture.nodes[-1].inputs
    gains[logits] = gains.get(logits, 1.0) * _LOGITS

    def compute(node: Node, inputs: list[Array]) -> Array:
        parameters = fresh.get(node.id, {})
        y = node.layer.forward(parameters, inputs)
        if "weight" not in parameters:
            return y
        factor = gains.get(node.id, 1.0) / (1.0 if isinstance(node.layer, BatchNorm) else _size(y))
        parameters["weight"] *= factor
        y *= factor  # the biases are zero
        return y

    propagate(architecture, probe, compute)


def _probe(shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Array:
    """Standardised random examples, half of whose variance is between whole channels.

    Like natural images they differ in their means, so that global pools leave something of them.
    """
    noise = rng.standard_normal((_PROBE, *shape))
    levels = rng.standard_normal((_PROBE, shape[0], *[1] * len(shape[1:])))
    mixed: Array = ((noise + levels) / sqrt(2)).astype(dtype)
    return mixed


def _size(y: Array) -> float:
    """The root of the mean square; not much below one, so that nothing is blown up."""
    return max(float(np.sqrt(np.mean(y**2))), _LEAST_SIZE)


def flatten(weights: Weights) -> dict[str, Array]:
    """The weights under names like "12.weight"."""
    return {
        f"{node_id}.{name}": array
        for node_id, parameters in weights.items()
        for name, array in parameters.items()
    }


def unflatten(tensors: Mapping[str, Array]) -> Weights:
    """The weights of names like "12.weight"; raises CorruptBlob for any other name."""
    weights: Weights = {}
    for key, array in tensors.items():
        node_id, dot, name = key.partition(".")
        if not (node_id.isascii() and node_id.isdigit() and dot and name):
            raise CorruptBlob(f"a tensor is named {key!r}; expected '<node id>.<parameter>'")
        weights.setdefault(int(node_id), {})[name] = array
    return weights


def check(architecture: Architecture, weights: Weights) -> None:
    """Raise CorruptBlob unless these are finite weights of this architecture."""
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
            raise CorruptBlob(f"{name} has values that are not finite")


def save(weights: Weights) -> bytes:
    """The weights as safetensors."""
    tensors = {name: np.ascontiguousarray(array) for name, array in flatten(weights).items()}
    return safetensors.save(tensors)


def load(data: bytes) -> Weights:
    """The weights of safetensors bytes; raises CorruptBlob for anything else."""
    try:
        tensors = safetensors.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptBlob(f"the weights are not safetensors: {error}") from None
    return unflatten(tensors)
