"""Building architectures layer by layer."""

from collections.abc import Iterator
from itertools import pairwise

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import AbstractLayer, Dense, Input, Output, Shape


class GraphBuilder:
    """An architecture under construction; a call adds layers and returns the last one's id."""

    def __init__(self, input_shape: Shape) -> None:
        self._nodes = [Node(0, Input(input_shape))]

    def __call__(self, source: int, *layers: AbstractLayer) -> int:
        """Add a chain of layers behind `source`; return the id of the last one."""
        for layer in layers:
            self._nodes.append(Node(len(self._nodes), layer, (source,)))
            source = self._nodes[-1].id
        return source

    def merge(self, layer: AbstractLayer, *sources: int) -> int:
        """Add a layer that reads several nodes; return its id."""
        self._nodes.append(Node(len(self._nodes), layer, sources))
        return self._nodes[-1].id

    def finish(self, source: int, classes: int) -> Architecture:
        """The finished architecture, with a classifier behind `source`."""
        self(source, Dense(classes), Output())
        return Architecture(tuple(self._nodes))


def chain(layers: Iterator[AbstractLayer]) -> Architecture:
    """The architecture in which each layer reads the previous one.

    Raises InvalidArchitecture if the layers do not fit.
    """
    nodes = [Node(index, layer) for index, layer in enumerate(layers)]
    linked = [Node(node.id, node.layer, (before.id,)) for before, node in pairwise(nodes)]
    return Architecture((nodes[0], *linked))
