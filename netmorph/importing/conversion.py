"""A conversion in progress: the values and constants so far, and the inputs of operations."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from netmorph.errors import UnreadableNetwork
from netmorph.importing.graph import Array, Graph
from netmorph.importing.operations import Operation, OperationGraph
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value


@dataclass(slots=True)
class Conversion:
    """A conversion: the values and constants so far, by name."""

    source: OperationGraph
    factor: Array  # of the preparation of the inputs: factor x + shift; (channels,)
    shift: Array
    graph: Graph = field(init=False)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    readers: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    ended: Operation | None = None  # a softmax, behind which nothing may come

    def __post_init__(self) -> None:
        shape = self.source.input_shape
        self.graph = Graph(shape)
        self.constants |= self.source.constants
        self.values[self.source.input] = Value(1, shape, shape[1:])
        self.readers.update(name for node in self.source.nodes for name in node.inputs)
        self.readers.update([self.source.output])

    def value(self, name: str, reader: object) -> Value:
        if name not in self.values:
            raise UnreadableNetwork(f"{reader} reads {name!r}, which nothing before it computes")
        return self.values[name]

    def plain(self, node: Operation, index: int = 0) -> Value:
        """An input without positions that were added for a convolution or pool."""
        found = self.value(node.inputs[index], node)
        if found.pads:
            raise unsupported(
                node, "its input has been padded; expected a Conv or a pool behind a Pad"
            )
        return found

    def constant(self, node: Operation, index: int) -> Array | None:
        """A constant input; None where it is left out."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.constants:
            raise unsupported(node, f"its input {name!r} is computed; expected a constant")
        return self.constants[name]

    def needed(self, node: Operation, index: int) -> Array:
        found = self.constant(node, index)
        if found is None or not np.issubdtype(found.dtype, np.floating):
            raise unsupported(node, f"its input {index} is missing or has other than floats")
        return found.astype(np.float64)

    def bias(self, node: Operation) -> Array | None:
        """The third input, a bias; None where it is left out."""
        return self.needed(node, 2) if len(node.inputs) > 2 and node.inputs[2] else None
