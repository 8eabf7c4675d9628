"""What layers share that look through windows: along one spatial axis or over several alike."""

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.errors import InvalidArchitecture
from core.layers.abstract import AbstractLayer, Array, Shape


def check_odd(layer: AbstractLayer, kernel: int) -> None:
    """Raise InvalidArchitecture for a kernel without a middle."""
    if kernel % 2 == 0:
        raise InvalidArchitecture(
            f"{type(layer).__name__} has kernel {kernel}; expected an odd number"
        )


def volume(size: int, axes: int) -> int:
    """How many values a window has."""
    return prod((size,) * axes)


def strided(sides: Shape, stride: int) -> Shape:
    """The sides behind a convolution that is padded by half its kernel."""
    return tuple(-(-side // stride) for side in sides)


def pooled(layer: AbstractLayer, sides: Shape, size: int, stride: int, padding: int) -> Shape:
    """The sides behind a pool; raises InvalidArchitecture below one window."""
    least = size - 2 * padding
    if min(sides) < least:
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {size} got an input of {_times(sides)} places; "
            f"expected at least {_times((least,) * len(sides))}"
        )
    return tuple((side - least) // stride + 1 for side in sides)


def padded_windows(x: Array, kernel: int, stride: int) -> Array:
    """The window around each place, zeros outside: (N, C, *sides) -> (N, C, *sides', *window)"""
    axes = range(2, x.ndim)
    windows = sliding_window_view(padded(x, kernel // 2), [kernel for _ in axes], axis=tuple(axes))
    return windows[:, :, *[slice(None, None, stride) for _ in axes]]


def padded(x: Array, padding: int, value: float = 0.0) -> Array:
    """The values with `padding` more places on both ends of each spatial axis: (N, C, *sides)"""
    if not padding:
        return x
    around = [(0, 0), (0, 0), *[(padding, padding)] * (x.ndim - 2)]
    return np.pad(x, around, constant_values=value)


def by_place(x: Array, size: int, stride: int) -> Iterator[Array]:
    """For each place in a window its values: (N, C, *sides) -> (N, C, *sides')"""
    spans = [(side - size) // stride * stride + 1 for side in x.shape[2:]]
    for place in product(range(size), repeat=len(spans)):
        yield x[:, :, *[slice(at, at + n, stride) for at, n in zip(place, spans, strict=True)]]


def _times(sides: Shape) -> str:
    return " × ".join(map(str, sides))
