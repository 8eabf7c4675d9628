"""Activations that exporters write as several operations, each made one operation again.

Silu         x · Sigmoid(x)
Clip         Clip(x) to [0, ∞), then to (-∞, 6]
HardSigmoid  Clip(x + 3) to [0, 6] / 6
HardSwish    x · HardSigmoid(x), or with the division at the end
Gelu         x · (Erf(x / √2) + 1) / 2, with the factor 1/2 at x or at the product
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isclose, sqrt

import numpy as np

from netmorph.importing.operations import Operation, OperationGraph

_OF_GATE = {"Sigmoid": "Silu", "HardSigmoid": "HardSwish"}
_HARD = {"alpha": 1 / 6, "beta": 0.5}


def merged(graph: OperationGraph) -> OperationGraph:
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

    def __init__(self, graph: OperationGraph) -> None:
        self._makers: dict[str, Operation] = {
            output: node for node in graph.nodes for output in node.outputs
        }
        self._constants = dict(graph.constants)
        for node in graph.nodes:
            value = node.attributes.get("value")
            if node.kind == "Constant" and isinstance(value, np.ndarray):
                self._constants |= dict.fromkeys(node.outputs, value)

    def one(self, node: Operation) -> Operation:
        """The operation, or the activation that it ends."""
        found = node
        if node.kind == "Clip":
            found = self._clip(node)
        elif node.kind in ("Mul", "Div") and len(node.inputs) == 2:
            found = self._product(node) if node.kind == "Mul" else self._sixth(node)
        self._makers |= dict.fromkeys(node.outputs, found)
        return found

    def _product(self, node: Operation) -> Operation:
        for x, other in (node.inputs, node.inputs[::-1]):
            gate = self._makers.get(other)
            if gate is not None and gate.kind in _OF_GATE and gate.inputs[:1] == (x,):
                return replace(
                    node, kind=_OF_GATE[gate.kind], inputs=(x,), attributes=gate.attributes
                )
        read = self._of_gelu(node.inputs)
        return node if read is None else replace(node, kind="Gelu", inputs=(read,), attributes={})

    def _sixth(self, node: Operation) -> Operation:
        """A hard sigmoid or a hard swish, if the division ends it."""
        six_fold, divisor = node.inputs
        if not self._is_number(divisor, 6.0):
            return node
        read = self._clipped_sum(six_fold)
        if read is not None:
            return replace(node, kind="HardSigmoid", inputs=(read,), attributes=_HARD)
        factors = self._factors(six_fold)
        for x, share in (factors, factors[::-1]) if len(factors) == 2 else ():
            if self._clipped_sum(share) == x:
                return replace(node, kind="HardSwish", inputs=(x,), attributes=_HARD)
        return node

    def _clip(self, node: Operation) -> Operation:
        """A clip from 0 to 6 for one that ends it."""
        inner = self._makers.get(node.inputs[0]) if node.inputs else None
        if inner is None or self._limits(node) != (None, 6) or self._limits(inner) != (0, None):
            return node
        return replace(node, inputs=inner.inputs[:1], attributes={"min": 0.0, "max": 6.0})

    def _limits(self, node: Operation) -> tuple[float | None, float | None] | None:
        """The limits of a clip; None for another operation."""
        if node.kind == "Relu":
            return 0, None
        if node.kind != "Clip":
            return None
        found = [node.attributes.get("min"), node.attributes.get("max")]
        for index, name in enumerate(node.inputs[1:3]):
            constant = self._constants.get(name)
            if constant is not None and constant.size == 1:
                found[index] = constant.item()
        return found[0], found[1]

    def _clipped_sum(self, name: str) -> str | None:
        """The x if the value is x + 3, clipped to [0, 6]."""
        clip = self._makers.get(name)
        if clip is None or self._limits(clip) != (0, 6):
            return None
        return self._beside(clip.inputs[0], "Add", 3.0)

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
