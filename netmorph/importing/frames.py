"""Windows along spatial axes, where the values that count may lie inside a larger frame.

A convolution of ours is always padded by half its kernel, so that the sides stay. One that is not
padded (LeNet's, for example) has smaller outputs: they are the middle of ours. The positions around
them, the frame, hold values that the user's network does not have; nothing that counts may read
them. A dense layer behind a flattening has zero weights for them.

Notation, for one axis
    n   positions that count
    f   positions of the frame before them
    m   positions altogether
    k   size of the window, s its stride, a and b the padding before and after in the user's network
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

MOST_KERNEL = 63  # positions along one axis


@dataclass(frozen=True, slots=True)
class Axis:
    """The positions along one spatial axis."""

    length: int  # n
    before: int = 0  # f
    total: int = 0  # m; 0: no frame

    def __post_init__(self) -> None:
        if not self.total:
            object.__setattr__(self, "total", self.length)

    @property
    def is_framed(self) -> bool:
        """Whether there are positions that do not count."""
        return self.total != self.length


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a layer of the user's network along one axis."""

    size: int  # k
    stride: int  # s
    before: int  # a
    after: int  # b
    ceil: bool = False  # whether an incomplete window at the end counts

    def outputs(self, length: int) -> int:
        """How many windows there are."""
        free = length + self.before + self.after - self.size
        count = max(0, (-(-free // self.stride) if self.ceil else free // self.stride) + 1)
        # An incomplete window that begins in the padding after the end is left out.
        if self.ceil and (count - 1) * self.stride >= length + self.before:
            count -= 1
        return count

    def complete(self, length: int) -> "Window":
        """The same window, without `ceil` where no window is incomplete."""
        found = replace(self, ceil=False)
        return found if found.outputs(length) == self.outputs(length) else self

    def pads(self, axis: Axis) -> tuple[bool, bool]:
        """Whether a window reads padding before the first and after the last position."""
        last = (self.outputs(axis.length) - 1) * self.stride - self.before + self.size - 1
        return self.before > 0, last >= axis.length

    def fits(self, axis: Axis) -> bool:
        """Whether the padding that is read is at the border of the frame, not inside it."""
        before, after = self.pads(axis)
        ends_with_frame = axis.before + axis.length == axis.total
        return (not before or axis.before == 0) and (not after or ends_with_frame)


@dataclass(frozen=True, slots=True)
class Convolved:
    """A convolution of ours that has the windows of the user's."""

    kernel: int
    offsets: tuple[int, ...]  # of the user's kernel in ours, for each axis
    axes: tuple[Axis, ...]  # of the output


def convolved(axes: Sequence[Axis], windows: Sequence[Window]) -> Convolved | None:
    """The smallest convolution of ours that has these windows; None where there is none."""
    if not all(w.fits(a) and w.outputs(a.length) > 0 for a, w in zip(axes, windows, strict=True)):
        return None
    for half in range(MOST_KERNEL // 2 + 1):
        found = [_in_kernel(a, w, half) for a, w in zip(axes, windows, strict=True)]
        chosen = [one for one in found if one is not None]
        if len(chosen) == len(found):
            offsets, outputs = zip(*chosen, strict=True)
            return Convolved(2 * half + 1, offsets, outputs)
    return None


def _in_kernel(axis: Axis, window: Window, half: int) -> tuple[int, Axis] | None:
    """Where the user's kernel is in one of size 2 half + 1, and the axis of the output.

    Window j of ours begins at position j s - half of m, window i of the user's at f + i s - a. So
    with j = i + o the kernel is at the offset f - a + half - o s.
    """
    count, total = window.outputs(axis.length), -(-axis.total // window.stride)
    for shift in range(total - count + 1):
        offset = axis.before - window.before + half - shift * window.stride
        if 0 <= offset <= 2 * half + 1 - window.size:
            return offset, Axis(count, shift, total)
    return None


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pool of ours that has the windows of the user's."""

    padding: int
    ceil: bool
    axes: tuple[Axis, ...]  # of the output


def pooled(axes: Sequence[Axis], windows: Sequence[Window]) -> Pooled | None:
    """The pool of ours with the least padding that has these windows; None where there is none."""
    size = windows[0].size
    if not all(w.fits(a) and w.outputs(a.length) > 0 for a, w in zip(axes, windows, strict=True)):
        return None
    ceils = (False, True) if any(window.ceil for window in windows) else (False,)
    for ceil, padding in product(ceils, range(size // 2 + 1)):
        found = [_in_pool(a, w, padding, ceil) for a, w in zip(axes, windows, strict=True)]
        if all(found):
            return Pooled(padding, ceil, tuple(one for one in found if one is not None))
    return None


def _in_pool(axis: Axis, window: Window, padding: int, ceil: bool) -> Axis | None:
    """The axis of the output of a pool with this padding; None where the windows differ."""
    total = Window(window.size, window.stride, padding, padding, ceil).outputs(axis.total)
    shift, rest = divmod(axis.before - window.before + padding, window.stride)
    count = window.outputs(axis.length)
    if rest or shift < 0 or shift + count > total:
        return None
    return Axis(count, shift, total)


def positions(axes: Sequence[Axis]) -> Iterator[int]:
    """The indices of the positions that count, in the flattened positions of all axes."""
    spans = [range(axis.before, axis.before + axis.length) for axis in axes]
    for indices in product(*spans):
        index = 0
        for position, axis in zip(indices, axes, strict=True):
            index = index * axis.total + position
        yield index
