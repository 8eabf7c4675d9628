"""The windows of convolutions and pools, and the layers of ours that have the same.

Notation, for one axis
    n   positions of the input
    k   size of the window, s its stride
    a   padding before the input
    c   how many windows there are
    K   size of a kernel of ours, which is odd and the same for all axes
    o   offset of the user's kernel in ours
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value

MOST_KERNEL = 63  # positions along one axis


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a layer along one axis."""

    length: int  # n
    size: int  # k
    stride: int  # s
    before: int  # a
    after: int  # padding after the input
    count: int  # c
    dilation: int = 1  # of a max pool: it takes every n-th position

    @property
    def is_incomplete(self) -> bool:
        """Whether the last window ends beyond the padding."""
        last = (self.count - 1) * self.stride + self.size
        return last > self.before + self.length + self.after

    @property
    def values(self) -> int:
        """How many positions the window takes."""
        return (self.size - 1) // self.dilation + 1

    @property
    def has_values(self) -> bool:
        """Whether each window of a dilated pool takes a value, not padding alone."""
        reaches_beyond = self.before or self.after or self.is_incomplete
        return self.length >= self.dilation or not reaches_beyond

    def ends_in(self, size: int, offset: int) -> tuple[int, int]:
        """The padding with which a window of `size` has this one at an offset: (before, after)"""
        before = self.before + offset
        return before, max(0, (self.count - 1) * self.stride + size - before - self.length)


def common_stride(windows: Sequence[Window]) -> tuple[tuple[Window, ...], tuple[int, ...]]:
    """Windows with one stride for all axes, and which of them are the given ones along each axis.

    Every n-th of the windows along an axis is a given one, from the first on; n is 1 for all axes
    where the strides are equal. All windows must be complete.
    """
    stride = gcd(*(window.stride for window in windows))
    closer = []
    for w in windows:
        count = window_count(w.size, stride, w.before + w.length + w.after)
        closer.append(replace(w, stride=stride, count=count))
    return tuple(closer), tuple(window.stride // stride for window in windows)


def window_count(size: int, stride: int, padded: int, last_start: int | None = None) -> int:
    """The number of windows in padded positions; below 1 where there is none.

    With `last_start` an incomplete window at the end counts, if it does not begin behind there.
    """
    free = padded - size
    if last_start is None:
        return free // stride + 1
    return min(-(-free // stride), last_start // stride) + 1


def windows_of(
    node: Operation, value: Value, sizes: tuple[int, ...], *, weight: bool
) -> tuple[Window, ...]:
    """The window along each axis; raises UnsupportedOperation for an average pool with dilation.

    Positions that a Pad before it adds count as padding. The size of a window is that of all the
    positions that it spans.
    """
    axes = len(value.sides)
    a = node.attributes
    strides = a.get("strides", (1,) * axes)
    dilations = a.get("dilations", (1,) * axes)
    if len(strides) != axes or len(dilations) != axes or min((*strides, *dilations), default=0) < 1:
        raise unsupported(node, f"strides {strides} and dilations {dilations}")
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    if node.kind == "AveragePool" and set(dilations) != {1}:
        raise unsupported(
            node,
            f"its windows of size {_in_words(sizes)} have dilations {_in_words(dilations)}; the "
            "nearest that can be taken is an average pool without dilation, of size "
            f"{_in_words(spans)} where it is to see as far",
        )
    added = value.pads or ((0, 0),) * axes
    lengths = [side + sum(ends) for side, ends in zip(value.sides, added, strict=True)]
    pads = _pads(node, lengths, spans, strides)
    found = []
    steps = dilations if node.kind == "MaxPool" else (1,) * axes
    for side, length, span, stride, ends, more, step in zip(
        value.sides, lengths, spans, strides, pads, added, steps, strict=True
    ):
        last = length + ends[0] - 1 if a.get("ceil_mode") else None
        count = window_count(span, stride, length + sum(ends), last)
        before, after = ends[0] + more[0], ends[1] + more[1]
        found.append(Window(side, span, stride, before, after, count, step if span > 1 else 1))
    return tuple(found)


def _in_words(numbers: Sequence[int]) -> str:
    return " × ".join(map(str, numbers))


def _pads(
    node: Operation, lengths: Sequence[int], spans: Sequence[int], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after, along each axis."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic == "VALID":
        return [(0, 0)] * len(spans)
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for length, span, stride in zip(lengths, spans, strides, strict=True):
            total = max(0, (-(-length // stride) - 1) * stride + span - length)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if automatic == "SAME_UPPER" else (large, small))
        return pads
    given = node.attributes.get("pads", (0,) * 2 * len(spans))
    if len(given) != 2 * len(spans) or min(given) < 0:
        raise unsupported(node, f"pads {list(given)}")
    return list(zip(given[: len(spans)], given[len(spans) :], strict=True))


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel of a convolution of ours that has the user's in it."""

    size: int  # K
    offsets: tuple[int, ...]  # o, for each axis
    pads: tuple[int, ...] = ()  # those before each axis, then those after; none: half the kernel


def kernel_around(windows: Sequence[Window]) -> Kernel | None:
    """The smallest kernel of ours with these windows; None where there is none."""
    if min(window.count for window in windows) < 1:
        return None
    least = max(window.size for window in windows) // 2 * 2 + 1
    for size in range(least, MOST_KERNEL + 1, 2):
        found = _usual(windows, size) or _with_pads(windows, size)
        if found is not None:
            return found
    return None


def _usual(windows: Sequence[Window], size: int) -> Kernel | None:
    """The kernel with padding of half its size.

    Its window i begins at i s - K / 2, the user's at i s - a.
    """
    offsets = tuple(size // 2 - window.before for window in windows)
    fits = all(0 <= o <= size - w.size for o, w in zip(offsets, windows, strict=True))
    same = all(window.count == -(-window.length // window.stride) for window in windows)
    return Kernel(size, offsets) if fits and same else None


def _with_pads(windows: Sequence[Window], size: int) -> Kernel | None:
    """The kernel with the user's in the middle and padding of its own for each end."""
    offsets = tuple((size - window.size) // 2 for window in windows)
    pads = _flat([w.ends_in(size, o) for w, o in zip(windows, offsets, strict=True)])
    return Kernel(size, offsets, pads) if max(pads) < size else None


def pool_fields(windows: Sequence[Window], *, counted: bool) -> dict[str, Any] | None:
    """The fields of the pool of ours with these windows; None where there is none.

    `counted`: whether padding counts as zeros, which is true of some means.
    """
    if not all(window.count >= 1 and window.has_values for window in windows):
        return None
    fields: dict[str, Any] = {
        "size": one_or_each([window.values for window in windows]),
        "stride": one_or_each([window.stride for window in windows]),
    }
    if any(window.dilation > 1 for window in windows):
        fields["dilation"] = one_or_each([window.dilation for window in windows])
    least = min(window.values for window in windows)
    is_incomplete = any(window.is_incomplete for window in windows)
    padding = windows[0].before
    for ceil in (False, True):
        ours = [_padded(window, padding, ceil=ceil) for window in windows]
        same = all(
            (one.before, one.count) == (window.before, window.count)
            for one, window in zip(ours, windows, strict=True)
        )
        if counted and ceil:  # what counts then ends where the padding does
            same = same and is_incomplete and {w.after for w in windows} == {padding}
        elif counted:
            same = same and not is_incomplete
        if same and padding <= least // 2:
            more = {"padding": padding, "count_include_pad": counted} if padding else {}
            more["ceil_mode"] = ceil
            return fields | {name: value for name, value in more.items() if value}
    ends = [window.ends_in(window.size, 0) for window in windows]
    has_values = all(max(end) < w.size for end, w in zip(ends, windows, strict=True))
    if not has_values or (counted and is_incomplete):
        return None
    pads = _flat(ends)
    return fields | {"pads": list(pads)} | ({"count_include_pad": True} if counted else {})


def one_or_each(lengths: Sequence[int]) -> int | list[int]:
    """The lengths along the axes as a layer of ours has them: one number where they are equal."""
    return lengths[0] if len(set(lengths)) == 1 else [*lengths]


def _padded(window: Window, padding: int, *, ceil: bool) -> Window:
    """The window of a pool of ours."""
    n = window.length
    last = n + padding - 1 if ceil else None
    count = window_count(window.size, window.stride, n + 2 * padding, last)
    return replace(window, before=padding, after=padding, count=count)


def _flat(ends: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The padding before each axis, then that after each."""
    return (*[before for before, _ in ends], *[after for _, after in ends])


def slices(shape: tuple[int, ...], offsets: tuple[int, ...], node: Operation) -> tuple[slice, ...]:
    """Where the values of a kernel are in a larger one; a dilation leaves zeros between them."""
    dilations = node.attributes.get("dilations", (1,) * len(shape))
    return tuple(
        slice(offset, offset + (size - 1) * dilation + 1, dilation)
        for size, offset, dilation in zip(shape, offsets, dilations, strict=True)
    )


def in_words(windows: tuple[Window, ...]) -> str:
    """Sizes, strides and padding of windows, for messages."""
    sizes = " × ".join(str(window.size) for window in windows)
    strides = " × ".join(str(one) for one in dict.fromkeys(window.stride for window in windows))
    pads = [[window.before, window.after] for window in windows]
    return f"size {sizes}, stride {strides} and padding {pads}"
