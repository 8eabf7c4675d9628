"""Windows along one or more spatial axes, for convolutions and pools."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.errors import InvalidArchitecture
from core.layers.abstract import AbstractLayer, Array, Shape


def check_odd(layer: AbstractLayer, kernel: int) -> None:
    """Raise InvalidArchitecture for an even kernel, which has no middle."""
    if kernel % 2 == 0:
        raise InvalidArchitecture(
            f"{type(layer).__name__} has kernel {kernel}; expected an odd number"
        )


def window_size(size: int, axes: int) -> int:
    """The number of values in a window of one channel."""
    return prod((size,) * axes)


def strided_sides(sides: Shape, stride: int) -> Shape:
    """The output sides of a convolution that is padded by half its kernel."""
    return tuple(-(-side // stride) for side in sides)


def pooled_sides(
    layer: AbstractLayer, sides: Shape, size: int, stride: int, padding: int, *, ceil: bool = False
) -> Shape:
    """The output sides of a pool; raises InvalidArchitecture if no window fits.

    With `ceil` an incomplete window at the end counts if it begins before the padding there.
    """
    least = size - 2 * padding - (stride - 1 if ceil else 0)
    if min(sides) < least:
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {size} got an input of {_times(sides)} positions; "
            f"expected at least {_times((least,) * len(sides))}"
        )
    counts = [(side - least) // stride + 1 for side in sides]
    if ceil:
        starts = [-(-(side + padding) // stride) for side in sides]  # windows before the padding
        counts = [min(count, most) for count, most in zip(counts, starts, strict=True)]
    return tuple(counts)


def padded_windows(x: Array, kernel: int, stride: int) -> Array:
    """The window around each stride-th position: (N, C, *sides) -> (N, C, *sides', *window)

    The windows are centred and padded with zeros.
    """
    axes = range(2, x.ndim)
    windows = sliding_window_view(pad(x, kernel // 2), [kernel for _ in axes], axis=tuple(axes))
    return windows[:, :, *[slice(None, None, stride) for _ in axes]]


def pad(x: Array, padding: int, value: float = 0.0) -> Array:
    """The values with `padding` more positions at both ends of each spatial axis: (N, C, *sides)"""
    return pad_ends(x, [(padding, padding)] * (x.ndim - 2), value)


def pad_ends(x: Array, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """The values with more positions before and after those of each spatial axis: (N, C, *sides)"""
    if not any(map(any, widths)):
        return x
    return np.pad(x, [(0, 0), (0, 0), *widths], constant_values=value)


def by_offset(x: Array, size: int, stride: int) -> Iterator[Array]:
    """For each offset in a window the values of all windows: (N, C, *sides) -> (N, C, *sides')"""
    spans = [(side - size) // stride * stride + 1 for side in x.shape[2:]]
    for offsets in product(range(size), repeat=len(spans)):
        yield x[:, :, *[slice(o, o + n, stride) for o, n in zip(offsets, spans, strict=True)]]


def _times(sides: Shape) -> str:
    return " × ".join(map(str, sides))
