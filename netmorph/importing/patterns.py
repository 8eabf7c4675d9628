"""Activations that exporters write as several operations, each made one operation again.

Silu       x · Sigmoid(x)
HardSwish  x · HardSigmoid(x)
Gelu       x · (Erf(x / √2) + 1) / 2, with the factor 1/2 at x or at the product
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isclose, sqrt

import numpy as np

from netmorph.importing.onnx_file import OnnxGraph, OnnxNode

_OF_GATE = {"Sigmoid": "Silu", "HardSigmoid": "HardSwish"}


def merged(graph: OnnxGraph) -> OnnxGraph:
    """The graph with one operation for each of these, without operations that nothing reads."""
    patterns = _Patterns(graph)
    nodes = [patterns.one(node) for node in graph.nodes]
    needed, kept = {graph.output}, []
    for node in reversed(nodes):
        if needed & {*node.outputs}:
            needed.update(node.inputs)
            kept.append(node)
    return replace(graph, nodes=tuple(reversed(kept)))


class _Patterns:
    """Finds what an operation computes from the operations before it."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._makers: Mapping[str, OnnxNode] = {
            output: node for node in graph.nodes for output in node.outputs
        }
        self._constants = dict(graph.constants)
        for node in graph.nodes:
            value = node.attributes.get("value")
            if node.kind == "Constant" and isinstance(value, np.ndarray):
                self._constants |= dict.fromkeys(node.outputs, value)

    def one(self, node: OnnxNode) -> OnnxNode:
        """The operation, or the activation that it ends."""
        if node.kind != "Mul" or len(node.inputs) != 2:
            return node
        for x, other in (node.inputs, node.inputs[::-1]):
            gate = self._makers.get(other)
            if gate is not None and gate.kind in _OF_GATE and gate.inputs[:1] == (x,):
                return replace(
                    node, kind=_OF_GATE[gate.kind], inputs=(x,), attributes=gate.attributes
                )
        read = self._of_gelu(node.inputs)
        return node if read is None else replace(node, kind="Gelu", inputs=(read,), attributes={})

    def _of_gelu(self, factors: Sequence[str]) -> str | None:
        """The x whose GELU is the product of the factors; None if it is none."""
        parts = [part for name in factors for part in self._factors(name)]
        halves = [part for part in parts if self._is_number(part, 0.5)]
        rest = [part for part in parts if part not in halves]
        if len(halves) != 1 or len(rest) != 2:
            return None
        for x, share in (rest, rest[::-1]):
            if self._error_of(share) == x:
                return x
        return None

    def _factors(self, name: str) -> Sequence[str]:
        """The two inputs of a product, or the value itself."""
        maker = self._makers.get(name)
        is_product = maker is not None and maker.kind == "Mul" and len(maker.inputs) == 2
        return maker.inputs if maker is not None and is_product else (name,)

    def _error_of(self, name: str) -> str | None:
        """The x if the value is Erf(x / √2) + 1."""
        erf = self._makers.get(self._beside(name, "Add", 1.0) or "")
        if erf is None or erf.kind != "Erf" or not erf.inputs:
            return None
        scaled = erf.inputs[0]
        return self._beside(scaled, "Div", sqrt(2)) or self._beside(scaled, "Mul", sqrt(0.5))

    def _beside(self, name: str, kind: str, number: float) -> str | None:
        """The other input if the value is made by an operation of this kind with this number."""
        maker = self._makers.get(name)
        if maker is None or maker.kind != kind or len(maker.inputs) != 2:
            return None
        left, right = maker.inputs
        if self._is_number(right, number):
            return left
        return right if kind != "Div" and self._is_number(left, number) else None

    def _is_number(self, name: str, number: float) -> bool:
        found = self._constants.get(name)
        if found is None or found.size != 1 or found.dtype.kind != "f":
            return False
        return isclose(found.item(), number, rel_tol=1e-4)
