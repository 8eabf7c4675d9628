"""Pooling along one or two spatial axes: of windows, or of whole channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import prod
from typing import ClassVar

import numpy as np

from core.errors import InvalidArchitecture
from core.layers.abstract import (
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    check_boolean,
    spatial_sides,
)
from core.layers.windows import (
    Ends,
    along_axes,
    by_offset,
    check_lengths,
    check_pads,
    dilated_span,
    ends_of,
    in_words,
    pad_ends,
    windowed_sides,
)


@dataclass(frozen=True, slots=True)
class AbstractPool(AbstractLayer):
    """One value for each window; incomplete windows are dropped, unless `ceil_mode` keeps them.

    An incomplete window at the end takes the values that it has; one that would begin in the
    padding behind the last value is dropped. Networks with `ceil_mode` come from users, as
    GoogLeNet and SqueezeNet do; no root and no morphism makes such a pool, nor one with `pads`,
    which give each end of each axis a padding of its own, nor one whose size or stride differs
    between the axes, as in networks that read lines of text or spectrograms.

    Padding adds positions around the input. With an odd size, stride 1 and a padding of half the
    size the sides stay the same, as in the cells of NAS-Bench-101 (Ying et al. 2019,
    arXiv:1902.09635) and NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326).
    """

    size: int | tuple[int, ...] = 2  # one number for each axis where they differ
    stride: int | tuple[int, ...] = 2
    padding: int = 0  # positions at each end of each spatial axis
    ceil_mode: bool = field(default=False, kw_only=True)  # torch's name
    pads: tuple[int, ...] = field(default=(), kw_only=True)  # before each axis, then after

    channels: ClassVar[Channels] = Channels.SAME
    optional: ClassVar[frozenset[str]] = frozenset({"padding", "ceil_mode", "pads"})
    spatial_axes: ClassVar[int]

    def __post_init__(self) -> None:
        check_lengths(self, self.spatial_axes, size=self.size, stride=self.stride)
        check_boolean(self, ceil_mode=self.ceil_mode)
        size, most = in_words(self.sizes), min(self.sizes) // 2
        if type(self.padding) is not int or not 0 <= self.padding <= most:
            raise InvalidArchitecture(
                f"{type(self).__name__} of size {size} has padding {self.padding!r}; "
                f"expected 0 to {most}, half its size"
            )
        check_pads(self, self.pads, self.spans)
        is_equal = len(set(self.pads)) == 1 and self.pads[0] <= most
        if self.pads and (is_equal or self.padding or self.ceil_mode):
            raise InvalidArchitecture(
                f"{type(self).__name__} of size {size} has pads {list(self.pads)}, padding "
                f"{self.padding} and ceil_mode {self.ceil_mode}; expected pads alone, and padding "
                "instead where they are equal"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size of a window along each spatial axis."""
        return along_axes(self.size, self.spatial_axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride along each spatial axis."""
        return along_axes(self.stride, self.spatial_axes)

    @property
    def spans(self) -> tuple[int, ...]:
        """The positions from the first to the last value of a window along each spatial axis."""
        return self.sizes

    @property
    def ends(self) -> Ends:
        """The padding before and after the values along each spatial axis."""
        return ends_of(self.pads or (self.padding,) * 2 * self.spatial_axes)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sides = spatial_sides(self, inputs[0], self.spatial_axes)
        pooled = windowed_sides(
            self, sides, self.spans, self.strides, self.ends, ceil=self.ceil_mode
        )
        return (inputs[0][0], *pooled)

    def completing_ends(self, sides: Shape) -> Ends:
        """The positions before and after the values along each axis that complete all windows.

        A pool with this padding and without `ceil_mode` has the same windows.
        """
        _, *outputs = self.output_shape([(1, *sides)])
        covered = [
            (output - 1) * stride + span
            for output, stride, span in zip(outputs, self.strides, self.spans, strict=True)
        ]
        return [
            (before, max(after, needed - before - side))
            for side, needed, (before, after) in zip(sides, covered, self.ends, strict=True)
        ]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(self.output_shape(inputs)) * prod(self.sizes)

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return None if self._adds_positions and self.output_shape(inputs) == inputs[0] else self

    @property
    def _adds_positions(self) -> bool:
        """Whether windows may reach beyond the values."""
        return bool(self.padding or self.ceil_mode or self.pads)


@dataclass(frozen=True, slots=True)
class AbstractMaxPool(AbstractPool):
    """The largest value of each window; padding counts as minus infinity.

    With a dilation, windows take every n-th position alone. Networks of users have such pools, as
    in segmentation; no root and no morphism makes one.
    """

    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)  # n

    title: ClassVar[str] = "max pool"
    optional: ClassVar[frozenset[str]] = frozenset({"padding", "ceil_mode", "pads", "dilation"})

    def __post_init__(self) -> None:
        check_lengths(self, self.spatial_axes, dilation=self.dilation)
        AbstractPool.__post_init__(self)

    @property
    def dilations(self) -> tuple[int, ...]:
        """The distance of neighbouring values of a window along each spatial axis."""
        return along_axes(self.dilation, self.spatial_axes)

    @property
    def spans(self) -> tuple[int, ...]:
        """The positions from the first to the last value of a window along each spatial axis."""
        return dilated_span(self.sizes, self.dilations)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape = AbstractPool.output_shape(self, inputs)
        pairs = zip(inputs[0][1:], self.dilations, strict=True)
        if self._adds_positions and any(side < dilation for side, dilation in pairs):
            raise InvalidArchitecture(
                f"{type(self).__name__} with padding and dilation {in_words(self.dilations)} got "
                f"an input of shape {inputs[0]}; expected sides of at least the dilation, so that "
                "each window has a value"
            )
        return shape

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        x = pad_ends(inputs[0], self.completing_ends(inputs[0].shape[2:]), -np.inf)
        y: Array = reduce(np.maximum, by_offset(x, self.sizes, self.strides, self.dilations))
        return y

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 3 * prod(self.output_shape(inputs))  # the indices are eight bytes each


@dataclass(frozen=True, slots=True)
class AbstractAvgPool(AbstractPool):
    """The mean of each window.

    Padding is left out of the mean, as in the published tables of cells, unless
    `count_include_pad` makes it count as zeros. The positions that an incomplete window lacks
    behind the padding never count.
    """

    count_include_pad: bool = False

    title: ClassVar[str] = "average pool"
    optional: ClassVar[frozenset[str]] = frozenset(
        {"padding", "ceil_mode", "pads", "count_include_pad"}
    )

    def __post_init__(self) -> None:
        AbstractPool.__post_init__(self)
        check_boolean(self, count_include_pad=self.count_include_pad)
        if self.count_include_pad and not (self.padding or self.pads):
            raise InvalidArchitecture(
                f"{type(self).__name__} counts padding but has none; "
                "expected a padding of at least 1, or count_include_pad false"
            )

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        x = inputs[0]
        padded = pad_ends(x, self.completing_ends(x.shape[2:]))
        y: Array = self._totals(padded) / self._counts(x)
        return y

    def _totals(self, padded: Array) -> Array:
        """The sum of each window: (N, C, *sides) -> (N, C, *sides')"""
        return reduce(np.add, by_offset(padded, self.sizes, self.strides))

    def _counts(self, x: Array) -> Array | int:
        """The number of values in the mean of each window."""
        if not self.ceil_mode and (self.count_include_pad or not any(map(any, self.ends))):
            return prod(self.sizes)
        completing = zip(self.completing_ends(x.shape[2:]), self.ends, strict=True)
        missing = [(0, needed - after) for (_, needed), (_, after) in completing]
        counted = pad_ends(np.ones_like(x[:1, :1]), self.ends, float(self.count_include_pad))
        return self._totals(pad_ends(counted, missing))


@dataclass(frozen=True, slots=True)
class AbstractGlobalAvgPool(AbstractLayer):
    """The mean of each channel: (channels, *sides) -> (channels,)"""

    title: ClassVar[str] = "global average pool"
    channels: ClassVar[Channels] = Channels.SAME
    spatial_axes: ClassVar[int]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        spatial_sides(self, inputs[0], self.spatial_axes)
        return inputs[0][:1]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0].mean(axis=tuple(range(2, inputs[0].ndim)))
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self


def windowed_pool(
    pool: type[AbstractPool],
    sides: Shape,
    outputs: Shape,
    size: int,
    pads: tuple[int, ...],
    *,
    stride: int,
) -> AbstractLayer | None:
    """The average pool that makes these outputs of the sides as a convolution with pads does.

    None where the sides stay.
    """
    if not pads:
        return strided_pool(pool, sides, stride)
    if outputs == sides:
        return None
    if len(set(pads)) == 1 and pads[0] <= size // 2:
        return pool(size, stride, pads[0])
    return pool(size, stride, pads=pads)


def strided_pool(pool: type[AbstractPool], sides: Shape, stride: int) -> AbstractLayer | None:
    """The average pool that reduces the sides as a convolution's stride does; None for stride 1."""
    if stride == 1:
        return None
    divides = all(side % stride == 0 for side in sides)
    return pool(stride if divides else 1, stride)
