"""Initial weights with which any architecture can be trained.

Where values are added, their variances add up, and so do the changes of one training step.
Therefore a branch starts smaller than the value it is added to, with a gain of

- 1 / √L in a network of L sums if a batch norm ends the branch: all branches together then
  increase the variance less than threefold, since (1 + 1 / L)^L < e (Hayou et al. 2021,
  arXiv:2010.12859);
- zero if no batch norm limits the effect of a step (Zhang, Dauphin & Ma 2019, arXiv:1901.09321).

Batch norms that start at zero as well (Goyal et al. 2017, arXiv:1706.02677) made shallow networks
learn more slowly.
"""

from math import sqrt

import numpy as np
from numpy.typing import DTypeLike

from core.graph.architecture import Architecture
from core.graph.forward import propagate
from core.graph.node import Node
from core.graph.tokens import random_tokens
from core.graph.weights import Weights
from core.layers import Add, Array, BatchNorm, Dropout, Gate

_PROBE = 8  # random examples by which the weights are scaled
_LOGITS = 0.8  # root mean square of the logits; batch norm and dropout enlarge it in training
_MIN_SIZE = 1e-2  # root mean square of a layer's outputs; limits the scaling


def initialise(
    architecture: Architecture, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Weights:
    """Initial weights with which values keep a size of about one, from the input to the logits.

    Each layer's own initial weight is scaled so that its outputs for a few random examples have a
    root mean square of one (LSUV: Mishkin & Matas 2016, arXiv:1511.06422), or its gain where it
    ends a branch; the logits get a little less.
    """
    weights: Weights = {}
    for node in architecture.nodes:
        shapes = architecture.input_shapes(node)
        if parameters := node.layer.initial_parameters(shapes, rng, dtype):
            weights[node.id] = parameters
    _scale(architecture, weights, _probe(architecture, rng, dtype))
    return weights


def _scale(architecture: Architecture, weights: Weights, probe: Array) -> None:
    """Scale the weights in place, layer by layer, by the outputs for the probe."""
    gains = dict(branch_gains(architecture))
    (logits,) = architecture.nodes[-1].inputs
    gains[logits] = gains.get(logits, 1.0) * _LOGITS

    def compute(node: Node, inputs: list[Array]) -> Array:
        parameters = weights.get(node.id, {})
        y = node.layer.forward(parameters, inputs)
        if "weight" not in parameters:
            return y
        factor = gains.get(node.id, 1.0) / (1.0 if isinstance(node.layer, BatchNorm) else _size(y))
        parameters["weight"] *= factor
        y *= factor  # the biases are zero
        return y

    propagate(architecture, probe, compute)


def _probe(architecture: Architecture, rng: np.random.Generator, dtype: DTypeLike) -> Array:
    """Standardised random examples with half of their variance between channel means.

    Like natural images they differ in their means, which survive global pooling. Token numbers are
    drawn at random instead.
    """  # shape: (_PROBE, *shape)
    shape = architecture.input_shape
    if architecture.vocabulary is not None:
        return random_tokens(architecture.vocabulary, shape, _PROBE, rng).astype(dtype)
    noise = rng.standard_normal((_PROBE, *shape))
    levels = rng.standard_normal((_PROBE, shape[0], *[1] * len(shape[1:])))
    mixed: Array = ((noise + levels) / sqrt(2)).astype(dtype)
    return mixed


def _size(y: Array) -> float:
    """The root mean square, at least `_MIN_SIZE`, so that no weight is scaled up too much."""
    return max(float(np.sqrt(np.mean(y**2))), _MIN_SIZE)


def branch_gains(architecture: Architecture) -> dict[int, float]:
    """The initial gain of each layer that ends a branch, by node id.

    A layer that only a gate reads starts at zero as well, so that the gate's factors are all one.
    """
    sums = [node for node in architecture.nodes if isinstance(node.layer, Add)]
    depths = _depths(architecture) if sums else {}
    ends = [end for node in sums for end in _ends(architecture, node, depths)]
    normed = {end: isinstance(architecture.node(end).layer, BatchNorm) for end in ends}
    gains = {end: len(sums) ** -0.5 if norm else 0.0 for end, norm in normed.items()}
    return gains | dict.fromkeys(_gated(architecture), 0.0)


def _ends(architecture: Architecture, node: Node, depths: dict[int, int]) -> list[int]:
    """The last layers with weights of the branches of a sum, without the main branch.

    The main branch keeps its size: an input that cannot be scaled on its own, for example because
    it is read twice, else the deepest input.
    """
    single = [source for source in node.inputs if node.inputs.count(source) == 1]
    ends = {source: _end(architecture, source) for source in single}
    if len(single) == len(node.inputs) and None not in ends.values():
        del ends[max(ends, key=lambda source: depths[source])]
    return [end for end in ends.values() if end is not None]


def _end(architecture: Architecture, node_id: int) -> int | None:
    """The layer with weights that makes this node's values; None if another node reads them too."""
    node = architecture.node(node_id)
    if len(architecture.readers(node_id)) != 1:
        return None
    if isinstance(node.layer, Dropout):
        return _end(architecture, node.inputs[0])
    return node_id if node.layer.axes else None


def _gated(architecture: Architecture) -> list[int]:
    """The layers with weights that only a gate reads."""
    gates = [node for node in architecture.nodes if isinstance(node.layer, Gate)]
    ends = [_end(architecture, gate.inputs[0]) for gate in gates]
    return [end for end in ends if end is not None]


def _depths(architecture: Architecture) -> dict[int, int]:
    """The number of layers with weights, without batch norms, on the longest path to each node."""
    depths: dict[int, int] = {}
    for node in architecture.nodes:
        counts = bool(node.layer.axes) and not isinstance(node.layer, BatchNorm)
        depths[node.id] = counts + max([depths[source] for source in node.inputs], default=0)
    return depths
