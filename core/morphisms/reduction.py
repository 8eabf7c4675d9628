"""Removing layers, edges or channels from a network.

The remaining nodes keep their ids, so that their weights are slices of the old ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from core.errors import IllegalMorphism, InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import AbstractLayer, Array, Axis, Channels, ReLU, ReLU6

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Reduction:
    """The parts to remove from an architecture."""

    bypassed: frozenset[int] = frozenset()  # nodes; their readers read their first input instead
    edges: frozenset[tuple[int, int]] = frozenset()  # to cut: (node, index of the input)
    kept: Mapping[int, Indices] = field(default_factory=dict)  # channels that a node keeps


def reduce_architecture(architecture: Architecture, reduction: Reduction) -> Architecture:
    """The remaining architecture; raises IllegalMorphism if its layers do not fit together.

    A sum or concatenation with one remaining input is bypassed, and so is a ReLU or ReLU6 that no
    longer changes anything. Nodes that no node reads any more are removed.
    """
    replaced: dict[int, int] = {}  # node -> the remaining node that replaces it
    rest: dict[int, Node] = {}
    nonnegative: dict[int, bool] = {}  # whether a remaining node's output is never negative
    for node in architecture.nodes:
        inputs = tuple(replaced[source] for source in remaining(node, reduction))
        is_single = len(inputs) == 1 < len(node.inputs)
        is_bypassed = is_single or node.id in reduction.bypassed
        if is_bypassed or _is_idle(architecture, node, inputs, rest, nonnegative):
            replaced[node.id] = inputs[0]
            continue
        layer = node.layer
        if node.id in reduction.kept:
            layer = layer.with_width(len(reduction.kept[node.id]))
        replaced[node.id] = node.id
        is_same = layer is node.layer and inputs == node.inputs
        rest[node.id] = node if is_same else Node(node.id, layer, inputs)
        nonnegative[node.id] = layer.nonnegative([nonnegative[source] for source in inputs])
    try:
        child = Architecture(_read(rest, replaced[architecture.nodes[-1].id]), architecture)
    except InvalidArchitecture as error:
        raise IllegalMorphism(f"the remaining layers do not fit together: {error}") from None
    if child.output_shape != architecture.output_shape:
        raise IllegalMorphism(
            f"the output would have {child.output_shape[0]} classes; "
            f"expected {architecture.output_shape[0]}"
        )
    return child


def remaining(node: Node, reduction: Reduction) -> list[int]:
    """The inputs of a node whose edges are not cut."""
    return [s for index, s in enumerate(node.inputs) if (node.id, index) not in reduction.edges]


def _is_idle(
    architecture: Architecture,
    node: Node,
    inputs: tuple[int, ...],
    rest: Mapping[int, Node],
    nonnegative: Mapping[int, bool],
) -> bool:
    """Whether the node is an activation that had an effect before and has none any more."""
    match node.layer:
        case ReLU():
            return not architecture.nonnegative[node.inputs[0]] and nonnegative[inputs[0]]
        case ReLU6():
            before = architecture.node(node.inputs[0]).layer
            return not isinstance(before, ReLU6) and isinstance(rest[inputs[0]].layer, ReLU6)
        case _:
            return False


def _read(nodes: Mapping[int, Node], last: int) -> tuple[Node, ...]:
    """The last node and the nodes that it depends on, in order."""
    needed = {last}
    for node in reversed(list(nodes.values())):
        if node.id in needed:
            needed.update(node.inputs)
    return tuple(node for node in nodes.values() if node.id in needed)


def selections(architecture: Architecture, reduction: Reduction) -> dict[int, Indices]:
    """For each old node, which of its channels its readers still get, by node id.

    Raises IllegalMorphism if the inputs of a sum would not keep the same channels.
    """
    chosen: dict[int, Indices] = {}
    for node in architecture.nodes:
        sources = remaining(node, reduction)
        if node.id in reduction.kept:
            chosen[node.id] = reduction.kept[node.id]
        elif node.layer.channels in (Channels.OWN, Channels.GIVEN):
            is_bypassed = node.id in reduction.bypassed
            width = architecture.shapes[node.id][0]
            chosen[node.id] = chosen[sources[0]] if is_bypassed else np.arange(width)
        elif node.layer.channels is Channels.JOINED:
            chosen[node.id] = _joined(architecture, node, chosen, reduction)
        elif node.layer.channels is Channels.FLATTENED:
            repeat = prod(architecture.shapes[node.inputs[0]][1:])
            features = chosen[sources[0]][:, None] * repeat + np.arange(repeat)
            chosen[node.id] = features.ravel()
        else:
            chosen[node.id] = chosen[sources[0]]
            if any(not np.array_equal(chosen[node.id], chosen[source]) for source in sources):
                raise IllegalMorphism(f"the inputs of node {node.id} would keep different channels")
    return chosen


def _joined(
    architecture: Architecture, node: Node, chosen: Mapping[int, Indices], reduction: Reduction
) -> Indices:
    """The remaining channels of a concatenation."""
    parts, start = [], 0
    for index, source in enumerate(node.inputs):
        if (node.id, index) not in reduction.edges:
            parts.append(start + chosen[source])
        start += architecture.shapes[source][0]
    return np.concatenate(parts)


def slice_weights(
    architecture: Architecture,
    weights: Weights,
    child: Architecture,
    selected: Mapping[int, Indices],  # of `selections`
) -> Weights:
    """The old weights without the removed channels and nodes."""
    rest: Weights = {}
    for node in child.nodes:
        if node.id not in weights:
            continue
        made, read = selected[node.id], selected[architecture.node(node.id).inputs[0]]
        chosen = {Axis.PRODUCED: made, Axis.CONSUMED: read, Axis.CARRIED: read}
        rest[node.id] = cut(weights[node.id], node.layer, chosen)
    return rest


def cut(
    parameters: Mapping[str, Array], layer: AbstractLayer, chosen: Mapping[Axis, Indices]
) -> dict[str, Array]:
    """The parameters with the chosen entries along each kind of axis; all along other axes."""
    return {name: _cut(array, layer.axes[name], chosen) for name, array in parameters.items()}


def _cut(array: Array, axes: tuple[Axis, ...], chosen: Mapping[Axis, Indices]) -> Array:
    for index, axis in enumerate(axes):
        if axis in chosen and len(chosen[axis]) < array.shape[index]:
            array = array.take(chosen[axis], axis=index)
    return array
