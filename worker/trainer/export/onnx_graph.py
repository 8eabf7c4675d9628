"""A graph of ONNX operators under construction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper


class OnnxGraph:
    """Operators in their order of execution, and the constants that they read.

    Values have names; every operator here has one output.
    """

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def operator(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator of ONNX and return the name of its output."""
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, array: NDArray[Any], name: str | None = None) -> str:
        """Add an array and return its name."""
        name = name or f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Add a vector of integers, such as axes or a shape, and return its name."""
        return self.constant(np.array(values, np.int64))

    def rename_output(self, name: str) -> None:
        """Give the output of the last operator another name."""
        self._nodes[-1].output[0] = name

    def finished(
        self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]
    ) -> GraphProto:
        """The graph as a message of ONNX."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._constants)
