"""New nodes and zero weights, for the morphisms that insert nodes."""

from collections.abc import Sequence

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import AbstractLayer, Array
from core.morphisms.abstract import DType


def in_a_row(source: int, first: int, layers: Sequence[AbstractLayer]) -> list[Node]:
    """A chain of new nodes behind `source`, with ids counted from `first`."""
    sources = (source, *range(first, first + len(layers)))
    return [Node(first + i, layer, (sources[i],)) for i, layer in enumerate(layers)]


def zeros(child: Architecture, node: Node, dtype: DType) -> dict[str, Array]:
    """Parameters of zeros, with which a convolution or dense layer returns zero."""
    shapes = node.layer.parameter_shapes(child.input_shapes(node))
    return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
