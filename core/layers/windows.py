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


def check_lengths(layer: AbstractLayer, axes: int, **values: int | tuple[int, ...]) -> None:
    """Raise InvalidArchitecture unless each value is a positive integer, or one for each axis.

    Equal ones for all axes are a single integer, so that a layer is written in one way alone.
    """
    for name, value in values.items():
        each = value if type(value) is tuple else (value,)
        is_canonical = type(value) is int or (len(each) == axes and len(set(each)) > 1)
        if not is_canonical or not all(type(one) is int and one >= 1 for one in each):
            more = f", or {axes} that differ: one for each axis" if axes > 1 else ""
            found = list(value) if isinstance(value, tuple) else value
            raise InvalidArchitecture(
                f"{type(layer).__name__} has {name} {found!r}; expected an integer of at least 1"
                f"{more}"
            )


def along_axes(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """The length along each axis, of a value that is the same for all or has one for each."""
    return value if isinstance(value, tuple) else (value,) * axes


def check_pads(layer: AbstractLayer, pads: tuple[int, ...], sizes: Sequence[int]) -> None:
    """Raise InvalidArchitecture unless there are no pads, or one for each end of each axis."""
    axes = len(sizes)
    is_complete = type(pads) is tuple and len(pads) in (0, 2 * axes)
    limits = [*sizes, *sizes][: len(pads)] if is_complete else []
    if not is_complete or not all(
        type(pad) is int and 0 <= pad < limit for pad, limit in zip(pads, limits, strict=True)
    ):
        found = list(pads) if isinstance(pads, tuple) else pads
        most = " and ".join(str(size - 1) for size in dict.fromkeys(sizes))
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {in_words(sizes)} has pads {found!r}; expected none, "
            f"or {2 * axes} integers from 0 to {most}: those before each axis, then those after"
        )


def check_kernel_pads(layer: AbstractLayer, pads: tuple[int, ...], kernel: int, axes: int) -> None:
    """Raise InvalidArchitecture unless the pads of a convolution can be, and are not the usual."""
    check_pads(layer, pads, (kernel,) * axes)
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
    layer: AbstractLayer,
    sides: Shape,
    sizes: Sequence[int],
    strides: Sequence[int],
    ends: Ends,
    *,
    ceil: bool = False,
) -> Shape:
    """The number of windows along each axis; raises InvalidArchitecture if none fits.

    With `ceil` an incomplete window at the end counts if it begins before the padding there.
    """
    least = [
        size - sum(end) - (stride - 1 if ceil else 0)
        for size, stride, end in zip(sizes, strides, ends, strict=True)
    ]
    if any(side < most for side, most in zip(sides, least, strict=True)):
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {in_words(sizes)} got an input of {_times(sides)} "
            f"positions; expected at least {_times(least)}"
        )
    counts = [
        (side - most) // stride + 1
        for side, most, stride in zip(sides, least, strides, strict=True)
    ]
    if ceil:
        starts = [
            -(-(side + before) // stride)
            for side, stride, (before, _) in zip(sides, strides, ends, strict=True)
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


def dilated_span(sizes: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    """The positions from the first to the last value of windows with these dilations."""
    return tuple((size - 1) * step + 1 for size, step in zip(sizes, dilations, strict=True))


def by_offset(
    x: Array, sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int] = ()
) -> Iterator[Array]:
    """For each offset in a window the values of all windows: (N, C, *sides) -> (N, C, *sides')

    Without dilations, each is 1.
    """
    steps = dilations or (1,) * len(sizes)
    spans = dilated_span(sizes, steps)
    axes = zip(x.shape[2:], spans, strides, strict=True)
    lengths = [(side - span) // stride * stride + 1 for side, span, stride in axes]
    for offsets in product(*map(range, [0] * len(spans), spans, steps)):
        starts = zip(offsets, lengths, strides, strict=True)
        yield x[:, :, *[slice(o, o + n, stride) for o, n, stride in starts]]


def in_words(sizes: Sequence[int]) -> str:
    """The size of a window for messages: one number where all axes have the same."""
    return str(sizes[0]) if len(set(sizes)) == 1 else _times(sizes)


def _times(sides: Sequence[int]) -> str:
    return " × ".join(map(str, sides))
