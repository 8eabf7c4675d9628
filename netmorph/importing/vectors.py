"""Vectors: flattenings and dense layers."""

from dataclasses import replace
from math import prod

import numpy as np

from netmorph.importing.conversion import Conversion
from netmorph.importing.graph import Array
from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value


def flat(c: Conversion, value: Value) -> Value:
    """The value as a vector, each channel's positions one after the other."""
    if value.is_vector:
        return replace(value, shape=(prod(value.shape),))
    return Value(c.graph.add("flatten", (value.node,)), (prod(value.shape),))


def flatten(c: Conversion, node: Operation) -> Value:
    value = c.plain(node)
    rank = len(value.shape) + 1
    if int(node.attributes.get("axis", 1)) % rank != 1:
        raise unsupported(node, "expected axis 1")
    return flat(c, value)


def reshape(c: Conversion, node: Operation) -> Value:
    value, target = c.plain(node), c.constant(node, 1)
    _, *rest = [0] if target is None else target.reshape(-1).tolist()
    size = prod(value.shape)
    if rest in ([-1], [size]):
        return flat(c, value)
    known = [side if side else before for side, before in zip(rest, value.shape, strict=False)]
    if len(rest) == len(value.shape) and [
        before if side == -1 else side for side, before in zip(known, value.shape, strict=True)
    ] == list(value.shape):
        return value
    if value.is_vector and rest and rest[0] in (-1, size) and {*rest[1:]} == {1}:
        return replace(value, shape=(size, *rest[1:]))
    raise unsupported(node, f"from {value.shape} to {rest} for one example; expected one vector")


def squeeze(c: Conversion, node: Operation) -> Value:
    """Axes of length 1, dropped after a global pool."""
    value = c.plain(node)
    if not value.is_vector or value.shape[0] != prod(value.shape):
        raise unsupported(node, f"its input has shape {value.shape}; expected one position")
    return flat(c, value)


def gemm(c: Conversion, node: Operation) -> Value:
    a = node.attributes
    weight, bias = c.needed(node, 1), None
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = c.needed(node, 2) * float(a.get("beta", 1.0))
    if a.get("transA") or weight.ndim != 2:
        raise unsupported(node, "expected examples times a matrix of constants")
    matrix = float(a.get("alpha", 1.0)) * (weight if a.get("transB") else weight.T)
    return dense(c, _vector(c, node, matrix.shape[1]), matrix, bias)


def matmul(c: Conversion, node: Operation) -> Value:
    if node.inputs[0] in c.constants:
        raise unsupported(node, "expected examples times a matrix of constants")
    weight = c.needed(node, 1)
    if weight.ndim != 2:
        raise unsupported(node, f"its constant has shape {weight.shape}; expected a matrix")
    return dense(c, _vector(c, node, len(weight)), weight.T, None)


def _vector(c: Conversion, node: Operation, size: int) -> Value:
    value = c.plain(node)
    if value.shape != (size,):
        raise unsupported(node, f"its input has shape {value.shape}; expected {(size,)}")
    return value


def dense(c: Conversion, value: Value, matrix: Array, bias: Array | None) -> Value:
    units = len(matrix)
    if bias is not None:
        bias = np.broadcast_to(bias, (1, units)).reshape(units)
    parameters, fields = with_bias({"weight": matrix}, bias)
    made = c.graph.add("dense", (value.node,), parameters, units=units, **fields)
    return Value(made, (units,))


def with_bias(
    parameters: dict[str, Array], bias: Array | None
) -> tuple[dict[str, Array], dict[str, bool]]:
    """The parameters of a layer and its field `bias`, which JSON has only where it is false."""
    if bias is None:
        return parameters, {"bias": False}
    return parameters | {"bias": bias}, {}
