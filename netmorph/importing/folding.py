"""Operations on constants alone, which compute the shape of a reshaping or the pads of a Pad."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from netmorph.importing.graph import Array
from netmorph.importing.operations import FLOATS, Operation
from netmorph.importing.refusals import unsupported

MOST_VALUES = 10_000  # that an operation makes of smaller constants


def _constant(attributes: dict[str, Any]) -> Any:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if attributes.get(name) is not None:
            return attributes[name]
    raise ValueError("it has no value")


def _slice(
    attributes: dict[str, Any],
    data: Array,
    starts: Array,
    ends: Array,
    axes: Array | None = None,
    steps: Array | None = None,
) -> Array:
    if len(starts) != 1 or (axes is not None and axes.tolist() != [0]):
        raise ValueError("expected a part of a shape, along its first axis")
    return data[int(starts[0]) : int(ends[0]) : 1 if steps is None else int(steps[0])]


def _filled(attributes: dict[str, Any], shape: Array) -> Array:
    sides = [int(side) for side in shape]
    if prod(sides) > MOST_VALUES:
        raise ValueError(f"it makes {prod(sides)} values; expected a shape")
    value = attributes.get("value")
    return np.full(sides, 0.0 if value is None else value.reshape(()))


def _reshape(attributes: dict[str, Any], data: Array, target: Array) -> Array:
    sides = [int(side) for side in target]
    return data.reshape([side or data.shape[axis] for axis, side in enumerate(sides)])


def _cast(attributes: dict[str, Any], data: Array) -> Array:
    if np.issubdtype(data.dtype, np.floating) and attributes.get("to") not in FLOATS:
        raise ValueError("it makes other numbers of floats")
    return data


def _concat(attributes: dict[str, Any], *parts: Array) -> Array:
    if any(part.ndim > 1 for part in parts):
        raise ValueError("expected parts of a shape")
    return np.concatenate([part.reshape(-1) for part in parts])


def _arithmetic(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """An operation of two arrays that makes no more values than the rules for all of them allow."""

    def compute(attributes: dict[str, Any], left: Array, right: Array) -> Array:
        size = np.prod(np.broadcast_shapes(left.shape, right.shape), dtype=float)
        if size > max(MOST_VALUES, left.size, right.size):
            raise ValueError(f"it makes {size:g} values of smaller constants")
        with np.errstate(all="ignore"):
            return function(left, right)

    return compute


def _quotient(left: Array, right: Array) -> Array:
    """The quotient; of whole numbers, which are sizes, without its remainder."""
    if left.dtype.kind == "f":
        return np.asarray(left / right)
    return np.asarray(left // right)


def _chosen(attributes: dict[str, Any], condition: Array, left: Array, right: Array) -> Array:
    if not condition.ndim == left.ndim == right.ndim == 1:
        raise ValueError("expected parts of a shape")
    return np.where(condition, left, right)


#: The operations by kind: of their attributes and their inputs.
FOLDED: Mapping[str, Callable[..., Any]] = {
    "Constant": _constant,
    "Identity": lambda attributes, data: data,
    "Cast": _cast,
    "Shape": lambda attributes, data: np.array(data.shape),
    "Gather": lambda attributes, data, indices: np.take(
        data, indices.astype(int), axis=int(attributes.get("axis", 0))
    ),
    "Unsqueeze": lambda attributes, data, axes=None: data.reshape(1),
    "Concat": _concat,
    "Slice": _slice,
    "ConstantOfShape": _filled,
    "Reshape": _reshape,
    "Transpose": lambda attributes, data: data.transpose(attributes.get("perm")),
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_quotient),
    "Equal": _arithmetic(np.equal),
    "Where": _chosen,
}


def fold(node: Operation, constants: Mapping[str, Array]) -> Array:
    """The output of an operation on constants."""
    given = [constants[name] if name else None for name in node.inputs]
    found = np.asarray(FOLDED[node.kind](node.attributes, *given))
    largest = max((one.size for one in given if one is not None), default=found.size)
    if found.size > max(MOST_VALUES, largest):
        raise unsupported(node, f"it makes {found.size} values of constants; expected a shape")
    return found
