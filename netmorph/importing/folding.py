"""Operations on constants alone, which compute the shape of a reshaping."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netmorph.importing.graph import Array


def _constant(attributes: dict[str, Any]) -> Any:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if attributes.get(name) is not None:
            return attributes[name]
    raise ValueError("it has no value")


def _slice(
    attributes: dict[str, Any], data: Array, starts: Array, ends: Array, *rest: Array | None
) -> Array:
    if data.ndim != 1 or len(starts) != 1 or len(rest) > 1:
        raise ValueError("expected a part of a shape")
    return data[int(starts[0]) : int(ends[0])]


#: The operations by kind: of their attributes and their inputs.
FOLDED: Mapping[str, Callable[..., Any]] = {
    "Constant": _constant,
    "Identity": lambda attributes, data: data,
    "Cast": lambda attributes, data: data,
    "Gather": lambda attributes, data, indices: np.take(
        data, indices.astype(int), axis=int(attributes.get("axis", 0))
    ),
    "Unsqueeze": lambda attributes, data, axes=None: data.reshape(1),
    "Concat": lambda attributes, *parts: np.concatenate([part.reshape(-1) for part in parts]),
    "Slice": _slice,
}
