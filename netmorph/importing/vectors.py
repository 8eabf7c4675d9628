"""Vectors: flattenings and dense layers."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from netmorph.importing.conversion import Conversion
from netmorph.importing.graph import Array
from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value


def flat(c: Conversion, value: Value) -> Value:
    """The value as a vector, each channel's positions one after the other.

    Where the user's channels are last, the order of the user's numbers is another one: the next
    dense layer takes that into account.
    """
    size = prod(value.shape)
    if value.is_vector:
        return Value(value.node, (size,), flattened=value.flattened)
    positions = size // value.shape[0]
    is_other = value.channels_last and positions > 1 and value.shape[0] > 1
    flattened = (positions, value.shape[0]) if is_other else ()
    return Value(c.graph.add("flatten", (value.node,)), (size,), flattened=flattened)


def as_vector(c: Conversion, value: Value) -> Value:
    """An image of one position as a vector of ours, which a global pool makes as well."""
    if value.is_vector or set(value.sides) != {1} or value.pads:
        return value
    return replace(value, node=c.graph.add("flatten", (value.node,)), sides=())


def of_one_form(c: Conversion, values: Sequence[Value]) -> Sequence[Value]:
    """The values, all as vectors of ours if one is: for images of one position."""
    if not any(value.is_vector for value in values):
        return values
    return [as_vector(c, value) for value in values]


def flatten(c: Conversion, node: Operation) -> Value:
    value = c.of_any_layout(node)
    rank = len(value.shape) + 1
    if int(node.attributes.get("axis", 1)) % rank != 1:
        raise unsupported(node, "expected axis 1")
    return flat(c, value)


def reshape(c: Conversion, node: Operation) -> Value:
    target = c.constant(node, 1)
    _, *rest = [0] if target is None else target.reshape(-1).tolist()
    return _reshaped(c, node, rest)


def unsqueeze(c: Conversion, node: Operation) -> Value:
    """More axes of length 1, as of the factors of a gate."""
    axes, constant = node.attributes.get("axes"), c.constant(node, 1)
    axes = (axes or ()) if constant is None else constant.reshape(-1).tolist()
    shape = [0, *c.of_any_layout(node).written_shape]
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return _reshaped(c, node, shape[1:])


def _reshaped(c: Conversion, node: Operation, rest: list[int]) -> Value:
    """The value with these axes behind the batch; -1 is what remains, and 0 the length before."""
    value = c.of_any_layout(node)
    size = prod(value.shape)
    if rest in ([-1], [size]):
        return flat(c, value)
    shape = value.written_shape
    known = [side if side else before for side, before in zip(rest, shape, strict=False)]
    if len(rest) == len(shape) and [
        before if side == -1 else side for side, before in zip(known, shape, strict=True)
    ] == list(shape):
        return value
    if value.is_vector and not value.flattened and len(rest) > 1:
        ones = (1,) * (len(rest) - 1)
        if rest[0] in (-1, size) and {*rest[1:]} == {1}:
            return Value(value.node, (size, *ones))
        if rest[-1] in (-1, size) and {*rest[:-1]} == {1}:
            return Value(value.node, (size, *ones), channels_last=True)
    near = "; the nearest to a shuffle of channels is a Conv of size 1" if len(rest) > 3 else ""
    raise unsupported(node, f"from {shape} to {rest} for one example; expected one vector{near}")


def transpose(c: Conversion, node: Operation) -> Value:
    """A move of the channels to the end, or back to the front."""
    value = c.value(node.inputs[0], node)
    rank = len(value.shape) + 1
    order = tuple(node.attributes.get("perm", range(rank)[::-1]))
    to_last, to_first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
    is_move = order == (to_first if value.channels_last else to_last)
    if rank > 2 and is_move and not value.expanded:
        return replace(c.renamed(node), channels_last=not value.channels_last)
    if order == tuple(range(rank)):
        return c.renamed(node)
    raise unsupported(
        node, f"it orders the axes as {list(order)}; expected a move of the channels to the end"
    )


def expand(c: Conversion, node: Operation) -> Value:
    """One number for each channel, repeated at all positions for a product with an image."""
    value, target = c.of_any_layout(node), c.constant(node, 1)
    wanted = [] if target is None else target.reshape(-1).tolist()[1:]
    shape = value.written_shape
    if len(wanted) == len(shape):
        made = [
            before if side in (1, -1) else side for side, before in zip(wanted, shape, strict=True)
        ]
        if made == list(shape):
            return value
        axis = value.channel_axis - 1
        is_one_each = value.is_vector and value.shape[0] == prod(value.shape) == made[axis]
        if is_one_each and len(shape) > 1:
            return replace(value, expanded=tuple(made[:axis] + made[axis + 1 :]))
    raise unsupported(
        node, f"from {shape} to {wanted} for one example; expected one number for each channel"
    )


def squeeze(c: Conversion, node: Operation) -> Value:
    """Axes of length 1, dropped after a global pool."""
    value = c.of_any_layout(node)
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
    return _of_examples(c, node, matrix, bias)


def matmul(c: Conversion, node: Operation) -> Value:
    if node.inputs[0] in c.constants:
        raise unsupported(node, "expected examples times a matrix of constants")
    weight = c.needed(node, 1)
    if weight.ndim != 2:
        raise unsupported(node, f"its constant has shape {weight.shape}; expected a matrix")
    return _of_examples(c, node, weight.T, None)


def _of_examples(c: Conversion, node: Operation, matrix: Array, bias: Array | None) -> Value:
    """A dense layer, or a convolution of size 1 where each position of an image is a vector."""
    value, size = c.of_any_layout(node), matrix.shape[1]
    if value.channels_last and value.shape[0] == size:
        return _of_each_position(c, value, matrix, bias)
    if value.shape != (size,):
        raise unsupported(node, f"its input has shape {value.written_shape}; expected {(size,)}")
    if value.flattened:
        by_channel = matrix.reshape(len(matrix), *value.flattened).swapaxes(1, 2)
        matrix = by_channel.reshape(len(matrix), size)
    return dense(c, value, matrix, bias)


def _of_each_position(c: Conversion, value: Value, matrix: Array, bias: Array | None) -> Value:
    units = len(matrix)
    shape = (units, *value.shape[1:])
    if value.is_vector:
        return replace(dense(c, value, matrix, bias), shape=shape, channels_last=True)
    axes = len(value.sides)
    parameters, fields = with_bias({"weight": matrix.reshape(*matrix.shape, *[1] * axes)}, bias)
    kind = f"conv{axes}d"
    made = c.graph.add(kind, (value.node,), parameters, filters=units, kernel=1, stride=1, **fields)
    return replace(value, node=made, shape=shape)


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
