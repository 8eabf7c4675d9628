"""Initial weights with which any architecture can be trained.

Where values are added to others, their variances add up, and with them the changes that one step
of training makes. Therefore a branch starts smaller than what it is added to:

- where a batch norm ends it, at 1 / √L in a network of L sums, so that all of them together do not
  triple the variance, since (1 + 1 / L)^L < e (Hayou et al. 2021, arXiv:2010.12859);
- where no batch norm bounds what a step changes, at zero (Zhang, Dauphin & Ma 2019,
  arXiv:1901.09321).

Norms at zero, too (Goyal et al. 2017, arXiv:1706.02677), made shallow networks learn more slowly.
"""

from math import sqrt

import numpy as np
from numpy.typing import DTypeLike

from core.graph.architecture import Architecture
from core.graph.forward import propagate
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Add, Array, BatchNorm, Dropout, Gate, Shape

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


def branch_gains(architecture: Architecture) -> dict[int, float]:
    """The gain with which each layer starts that ends a branch, by node id.

    A layer that a gate alone reads starts at zero, too, so that the gate's factors are all one.
    """
    sums = [node for node in architecture.nodes if isinstance(node.layer, Add)]
    depths = _depths(architecture) if sums else {}
    ends = [end for node in sums for end in _ends(architecture, node, depths)]
    normed = {end: isinstance(architecture.node(end).layer, BatchNorm) for end in ends}
    gains = {end: len(sums) ** -0.5 if norm else 0.0 for end, norm in normed.items()}
    return gains | dict.fromkeys(_gated(architecture), 0.0)


def _ends(architecture: Architecture, node: Node, depths: dict[int, int]) -> list[int]:
    """The last layers with weights of the branches of a sum.

    One of its inputs keeps its size: one that cannot be scaled on its own, as one that is read
    twice, else the deepest.
    """
    single = [source for source in node.inputs if node.inputs.count(source) == 1]
    found = {source: _end(architecture, source) for source in single}
    if len(single) == len(node.inputs) and None not in found.values():
        del found[max(found, key=lambda source: depths[source])]
    return [end for end in found.values() if end is not None]


def _end(architecture: Architecture, node_id: int) -> int | None:
    """The layer with weights whose outputs these are, if nothing else reads them."""
    node = architecture.node(node_id)
    if len(architecture.readers(node_id)) != 1:
        return None
    if isinstance(node.layer, Dropout):
        return _end(architecture, node.inputs[0])
    return node_id if node.layer.axes else None


def _gated(architecture: Architecture) -> list[int]:
    """The layers with weights that a gate alone reads."""
    gates = [node for node in architecture.nodes if isinstance(node.layer, Gate)]
    found = [_end(architecture, gate.inputs[0]) for gate in gates]
    return [end for end in found if end is not None]


def _depths(architecture: Architecture) -> dict[int, int]:
    """How many layers with weights, norms left out, are on the longest way to each node."""
    depths: dict[int, int] = {}
    for node in architecture.nodes:
        counts = bool(node.layer.axes) and not isinstance(node.layer, BatchNorm)
        depths[node.id] = counts + max([depths[source] for source in node.inputs], default=0)
    return depths
