"""A conversion in progress: the values and constants so far, and the inputs of operations."""

from collections import Counter
from dataclasses import dataclass, field, replace

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
    is_channels_last: bool = False  # the input of the file; source.input_shape is channels first
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
        self.values[self.source.input] = Value(
            1, shape, shape[1:], channels_last=self.is_channels_last
        )
        self.readers.update(name for node in self.source.nodes for name in node.inputs)
        self.readers.update([self.source.output])

    def value(self, name: str, reader: object) -> Value:
        if name not in self.values:
            raise UnreadableNetwork(f"{reader} reads {name!r}, which nothing before it computes")
        return self.values[name]

    def image(self, node: Operation, index: int = 0) -> Value:
        """An input with its channels first, which may have positions that a Pad has added."""
        found = self.value(node.inputs[index], node)
        if found.expanded:
            raise unsupported(node, "its input has been expanded; expected a Mul behind an Expand")
        if found.channels_last or found.flattened:
            raise unsupported(node, "its input has its channels last; expected them first")
        return found

    def plain(self, node: Operation, index: int = 0) -> Value:
        """An input with its channels first, without positions that a Pad has added."""
        return _unpadded(node, self.image(node, index))

    def of_any_layout(self, node: Operation, index: int = 0) -> Value:
        """An input with its channels first or last, without positions that a Pad has added."""
        found = self.value(node.inputs[index], node)
        if found.expanded:
            return self.image(node, index)
        return _unpadded(node, found)

    def renamed(self, node: Operation) -> Value:
        """The input of an operation that gives it another name; the input of the network, too."""
        source, output = node.inputs[0], node.outputs[0]
        if source == self.source.input and self.readers[source] == 1:
            self.source = replace(self.source, input=output)
        self.readers[output] += self.readers[source] - 1  # two names of one value
        return self.value(source, node)

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


def _unpadded(node: Operation, value: Value) -> Value:
    if value.pads:
        raise unsupported(node, "its input has been padded; expected a Conv or a pool behind a Pad")
    return value
