"""Calls of torch's operators on constants alone, computed while a program is read."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netmorph.importing.graph import Array
from netmorph.importing.torch_export.call import Call, Name, Sizes

MOST_VALUES = 10_000  # that an operator makes of smaller constants


def _permuted(call: Call, data: Array) -> Array:
    a = call.arguments
    if "dims" in a:
        return np.transpose(data, a["dims"])
    return np.swapaxes(data, a.get("dim0", 0), a.get("dim1", data.ndim - 1))


def _same(call: Call, data: Array) -> Array:
    return data


def _normalised(call: Call, data: Array, lengths: Array) -> Array:
    """The weights of a layer with weight normalisation: directions v and their lengths g."""
    kept = call.arguments.get("dim", 0)
    axes = tuple(axis for axis in range(data.ndim) if axis != kept)
    return np.asarray(lengths * data / np.sqrt(np.square(data).sum(axis=axes, keepdims=True)))


_ARITHMETIC: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
}
_OTHERS: Mapping[str, Callable[[Call, Array], Array]] = {
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    **dict.fromkeys(("clone", "contiguous", "alias", "detach", "detach_"), _same),
    "lift_fresh_copy": _same,
}
_RESHAPED = ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze")
FOLDED = frozenset((*_ARITHMETIC, *_OTHERS, *_RESHAPED, "_weight_norm"))


def fold(call: Call, constants: Mapping[str, Array], sizes: Sizes) -> Array:
    """The output of a call on constants; `sizes` are those of the output in the program.

    Raises ValueError where the program's own sizes are others.
    """
    operator = call.operator
    if operator in _ARITHMETIC:
        return _computed(call, _ARITHMETIC[operator], constants)
    if operator == "_weight_norm":
        return _normalised(call, *(constants[call.tensor(name)] for name in ("v", "g")))
    data = constants[call.tensor("self", "input")]
    if operator in _RESHAPED:
        return data.reshape([size or 0 for size in sizes])
    return _OTHERS[operator](call, data)


def _computed(call: Call, function: Callable[..., Array], constants: Mapping[str, Array]) -> Array:
    """A sum, difference, product or quotient of constants and numbers, in float64."""
    a = call.arguments
    if a.get("alpha", 1) != 1 or a.get("rounding_mode") is not None:
        raise ValueError("it scales or rounds constants")
    parts = [_number(a[name], constants) for name in ("self", "other")]
    shape = np.broadcast_shapes(*[part.shape for part in parts])
    if np.prod(shape, dtype=float) > max(MOST_VALUES, *[part.size for part in parts]):
        raise ValueError(f"it makes the shape {shape} of smaller constants")
    with np.errstate(all="ignore"):
        return function(*parts)


def _number(value: Any, constants: Mapping[str, Array]) -> Array:
    return np.asarray(constants[value.text] if isinstance(value, Name) else value, float)
