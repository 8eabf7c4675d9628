"""Windows along one or more spatial axes, for convolutions and pools.

`ends` are the positions that padding adds before and after the values along each axis.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.errors import InvalidArchitecture
from core.layers.abstract import AbstractLayer, Array, Shape

Ends = Sequence[tuple[int, int]]  # for each spatial axis


def check_odd(layer: AbstractLayer, kernel: int) -> None:
    """Raise InvalidArchitecture for an even kernel, which has no middle."""
    if kernel % 2 == 0:
        raise InvalidArchitecture(
            f"{type(layer).__name__} has kernel {kernel}; expected an odd number"
        )


def check_pads(layer: AbstractLayer, pads: tuple[int, ...], size: int, axes: int) -> None:
    """Raise InvalidArchitecture unless there are no pads, or one for each end of each axis."""
    is_complete = type(pads) is tuple and len(pads) in (0, 2 * axes)
    if not is_complete or not all(type(pad) is int and 0 <= pad < size for pad in pads):
        found = list(pads) if isinstance(pads, tuple) else pads
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {size} has pads {found!r}; expected none, or "
            f"{2 * axes} integers from 0 to {size - 1}: those before each axis, then those after"
        )


def check_kernel_pads(layer: AbstractLayer, pads: tuple[int, ...], kernel: int, axes: int) -> None:
    """Raise InvalidArchitecture unless the pads of a convolution can be, and are not the usual."""
    check_pads(layer, pads, kernel, axes)
    if set(pads) == {kernel // 2}:
        raise InvalidArchitecture(
            f"{type(layer).__name__} with kernel {kernel} has pads {list(pads)}; expected none: "
            "half the kernel is the padding of a convolution without pads"
        )


def ends_of(pads: tuple[int, ...]) -> Ends:
    """The ends that a layer's pads say: those before each axis, then those after."""
    axes = len(pads) // 2
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def kernel_ends(kernel: int, pads: tuple[int, ...], axes: int) -> Ends:
    """The ends of a convolution: those that its pads say, else half its kernel."""
    return ends_of(pads) if pads else ((kernel // 2, kernel // 2),) * axes


def window_size(size: int, axes: int) -> int:
    """The number of values in a window of one channel."""
    return prod((size,) * axes)


def strided_sides(sides: Shape, stride: int) -> Shape:
    """The output sides of a convolution that is padded by half its kernel."""
    return tuple(-(-side // stride) for side in sides)


def windowed_sides(
    layer: AbstractLayer, sides: Shape, size: int, stride: int, ends: Ends, *, ceil: bool = False
) -> Shape:
    """The number of windows along each axis; raises InvalidArchitecture if none fits.

    With `ceil` an incomplete window at the end counts if it begins before the padding there.
    """
    least = [size - sum(end) - (stride - 1 if ceil else 0) for end in ends]
    if any(side < most for side, most in zip(sides, least, strict=True)):
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {size} got an input of {_times(sides)} positions; "
            f"expected at least {_times(least)}"
        )
    counts = [(side - most) // stride + 1 for side, most in zip(sides, least, strict=True)]
    if ceil:
        starts = [
            -(-(side + before) // stride) for side, (before, _) in zip(sides, ends, strict=True)
        ]
        counts = [min(count, most) for count, most in zip(counts, starts, strict=True)]
    return tuple(counts)


def padded_windows(x: Array, kernel: int, stride: int, ends: Ends) -> Array:
    """The window from each stride-th position on: (N, C, *sides) -> (N, C, *sides', *window)

    The values are padded with zeros at their ends.
    """
    axes = range(2, x.ndim)
    windows = sliding_window_view(pad_ends(x, ends), [kernel for _ in axes], axis=tuple(axes))
    return windows[:, :, *[slice(None, None, stride) for _ in axes]]


def pad_ends(x: Array, ends: Ends, value: float = 0.0) -> Array:
    """The values with more positions before and after those of each spatial axis: (N, C, *sides)"""
    if not any(map(any, ends)):
        return x
    return np.pad(x, [(0, 0), (0, 0), *ends], constant_values=value)


def by_offset(x: Array, size: int, stride: int) -> Iterator[Array]:
    """For each offset in a window the values of all windows: (N, C, *sides) -> (N, C, *sides')"""
    spans = [(side - size) // stride * stride + 1 for side in x.shape[2:]]
    for offsets in product(range(size), repeat=len(spans)):
        yield x[:, :, *[slice(o, o + n, stride) for o, n in zip(offsets, spans, strict=True)]]


def _times(sides: Sequence[int]) -> str:
    return " × ".join(map(str, sides))
