"""What is left of a network when layers, edges or channels are taken out of it.

What stays keeps its node id, so that its weights are cut out of the old ones.
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
    """What is taken out of an architecture."""

    bypassed: frozenset[int] = frozenset()  # their readers read their first input instead
    edges: frozenset[tuple[int, int]] = frozenset()  # that are cut: (node, place among its inputs)
    kept: Mapping[int, Indices] = field(default_factory=dict)  # channels that a node still makes


def reduced(architecture: Architecture, reduction: Reduction) -> Architecture:
    """What is left; raises IllegalMorphism where the rest does not fit together.

    A sum or concatenation of one is passed by, and so is a ReLU or ReLU6 that has become idle;
    what nobody reads any more goes.
    """
    stands: dict[int, int] = {}  # node -> the one in the rest that gives its values
    rest: dict[int, Node] = {}
    nonnegative: dict[int, bool] = {}  # whether values of the rest are never below zero
    for node in architecture.nodes:
        inputs = tuple(stands[source] for source in remaining(node, reduction))
        lonely = len(inputs) == 1 < len(node.inputs)
        gone = lonely or node.id in reduction.bypassed
        if gone or _is_idle(architecture, node, inputs, rest, nonnegative):
            stands[node.id] = inputs[0]
            continue
        layer = node.layer
        if node.id in reduction.kept:
            layer = layer.with_width(len(reduction.kept[node.id]))
        stands[node.id] = node.id
        same = layer is node.layer and inputs == node.inputs
        rest[node.id] = node if same else Node(node.id, layer, inputs)
        nonnegative[node.id] = layer.nonnegative([nonnegative[source] for source in inputs])
    try:
        child = Architecture(_read(rest, stands[architecture.nodes[-1].id]), architecture)
    except InvalidArchitecture as error:
        raise IllegalMorphism(f"what is left does not fit together: {error}") from None
    if child.output_shape != architecture.output_shape:
        raise IllegalMorphism("the classes would not all be left")
    return child


def remaining(node: Node, reduction: Reduction) -> list[int]:
    """The inputs of a node that are not cut."""
    return [s for place, s in enumerate(node.inputs) if (node.id, place) not in reduction.edges]


def _is_idle(
    architecture: Architecture,
    node: Node,
    inputs: tuple[int, ...],
    rest: Mapping[int, Node],
    nonnegative: Mapping[int, bool],
) -> bool:
    """Whether the node is an activation that was needed before and changes nothing any more."""
    match node.layer:
        case ReLU():
            return not architecture.nonnegative[node.inputs[0]] and nonnegative[inputs[0]]
        case ReLU6():
            before = architecture.node(node.inputs[0]).layer
            return not isinstance(before, ReLU6) and isinstance(rest[inputs[0]].layer, ReLU6)
        case _:
            return False


def _read(nodes: Mapping[int, Node], last: int) -> tuple[Node, ...]:
    """The nodes that the last one depends on, in their order."""
    needed = {last}
    for node in reversed(list(nodes.values())):
        if node.id in needed:
            needed.update(node.inputs)
    return tuple(node for node in nodes.values() if node.id in needed)


def selections(architecture: Architecture, reduction: Reduction) -> dict[int, Indices]:
    """For each old node, which of its channels stand for those that its readers get now.

    Raises IllegalMorphism where a sum would get different ones.
    """
    chosen: dict[int, Indices] = {}
    for node in architecture.nodes:
        sources = remaining(node, reduction)
        if node.id in reduction.kept:
            chosen[node.id] = reduction.kept[node.id]
        elif node.layer.channels in (Channels.OWN, Channels.GIVEN):
            same = node.id in reduction.bypassed
            width = architecture.shapes[node.id][0]
            chosen[node.id] = chosen[sources[0]] if same else np.arange(width)
        elif node.layer.channels is Channels.JOINED:
            chosen[node.id] = _joined(architecture, node, chosen, reduction)
        elif node.layer.channels is Channels.FLATTENED:
            repeat = prod(architecture.shapes[node.inputs[0]][1:])
            features = chosen[sources[0]][:, None] * repeat + np.arange(repeat)
            chosen[node.id] = features.ravel()
        else:
            chosen[node.id] = chosen[sources[0]]
            if any(not np.array_equal(chosen[node.id], chosen[source]) for source in sources):
                raise IllegalMorphism(f"node {node.id} would get channels that do not belong")
    return chosen


def _joined(
    architecture: Architecture, node: Node, chosen: Mapping[int, Indices], reduction: Reduction
) -> Indices:
    """The channels of a concatenation that are left."""
    found, start = [], 0
    for place, source in enumerate(node.inputs):
        if (node.id, place) not in reduction.edges:
            found.append(start + chosen[source])
        start += architecture.shapes[source][0]
    return np.concatenate(found)


def sliced(
    architecture: Architecture,
    weights: Weights,
    child: Architecture,
    selected: Mapping[int, Indices],  # of `selections`
) -> Weights:
    """The old weights without the channels and nodes that are gone."""
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
    """The chosen entries along each kind of axis; all where nothing is said of one."""
    return {name: _cut(array, layer.axes[name], chosen) for name, array in parameters.items()}


def _cut(array: Array, axes: tuple[Axis, ...], chosen: Mapping[Axis, Indices]) -> Array:
    for place, axis in enumerate(axes):
        if axis in chosen and len(chosen[axis]) < array.shape[place]:
            array = array.take(chosen[axis], axis=place)
    return array
