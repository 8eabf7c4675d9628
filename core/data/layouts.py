"""The order of the axes of examples: given, or concluded from their shape.

N counts examples, H and W are height and width, C channels, L time, F features. Of four axes the
last holds the channels or the second does: the one that has at most four values, or else the one
that leaves an image with equal sides. Where both or neither do, the last is taken, with a warning.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidDataset

LAYOUTS = ("NHW", "NHWC", "NCHW", "NL", "NLC", "NCL", "NF")
RULES = (
    "(N, height, width): grey images",
    "(N, height, width, channels) or (N, channels, height, width): images; the channels are the "
    "axis of at most 4 values, or else the one that leaves equal sides, or else the last",
    "(N, features): vectors of numbers",
    "signals over time need the layout NL, NLC or NCL: (N, length), (N, length, channels) or "
    "(N, channels, length)",
    "a layout that is given (NHW, NHWC, NCHW, NL, NLC, NCL or NF) goes before these rules",
)
_MAX_CHANNELS = 4
_SLENDER = 16  # an image this many times as long as it is wide may be a signal


@dataclass(frozen=True, slots=True)
class Layout:
    """An order of axes and where it comes from."""

    letters: str  # one of LAYOUTS
    reason: str
    warning: str = ""  # what the data may be instead; empty: clear

    @property
    def kind(self) -> str:
        """What the examples are: "images", "signals" or "vectors"."""
        if "H" in self.letters:
            return "images"
        return "signals" if "L" in self.letters else "vectors"

    def channels_first(self, x: NDArray[Any]) -> NDArray[Any]:
        """A view of the examples as (N, C, H, W), (N, C, L) or (N, F)."""
        if "C" in self.letters:
            return np.moveaxis(x, self.letters.index("C"), 1)
        return x if self.letters == "NF" else x[:, None]


def layout_of(shape: tuple[int, ...], given: str | None = None, reason: str = "as given") -> Layout:
    """The layout of examples of this shape; raises InvalidDataset where none fits."""
    if given is not None and given not in LAYOUTS:
        raise InvalidDataset(f"layout is {given[:64]!r}; expected one of {', '.join(LAYOUTS)}")
    if len(shape) not in (2, 3, 4) or 0 in shape:
        none = ", which holds no values" if 0 in shape else ""
        raise InvalidDataset(
            f"examples have shape {shape}{none}; expected (N, H, W), (N, H, W, C), (N, C, H, W) "
            "or (N, features), or signals by their `layout`"
        )
    if given is None:
        return _concluded(shape)
    if len(given) != len(shape):
        raise InvalidDataset(
            f"examples have shape {shape}; expected {len(given)} axes as layout {given!r}"
        )
    return Layout(given, reason)


def _concluded(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return Layout("NF", "two axes: examples and features")
    if len(shape) == 3:
        return Layout("NHW", "three axes: grey images", _signal_warning(shape[1:]))
    _, first, middle, last = shape
    if (rank := _rank(last, first, middle)) == (other := _rank(first, middle, last)):
        reason = "the last of four axes holds the channels unless the sizes say otherwise"
        return Layout("NHWC", reason, _unclear(shape, "NHWC"))
    letters, size, sides = (
        ("NCHW", first, shape[2:]) if other > rank else ("NHWC", last, shape[1:3])
    )
    may_hold_channels = sides[0] != sides[1] and min(sides) <= _MAX_CHANNELS
    warning = _signal_warning(sides) or (_unclear(shape, letters) if may_hold_channels else "")
    return Layout(letters, f"channels are the axis of {size}", warning)


def _unclear(shape: tuple[int, ...], letters: str) -> str:
    """That another axis may hold the channels of images that are taken in this layout."""
    sizes = dict(zip(letters, shape, strict=True))
    other, axis = ("NCHW", "second") if letters == "NHWC" else ("NHWC", "last")
    return (
        f"the shape {shape} does not say which axis holds the channels: taken as {sizes['H']} × "
        f"{sizes['W']} images with {sizes['C']} channels ({letters}); if the {axis} axis holds "
        f"them, give the layout {other}"
    )


def _rank(channels: int, height: int, width: int) -> tuple[bool, bool]:
    """How much sizes look like those of an image."""
    return channels <= _MAX_CHANNELS, height == width


def _signal_warning(sides: tuple[int, ...]) -> str:
    short, long = sorted(sides)
    if long < _SLENDER * short:
        return ""
    return (
        f"images of {sides[0]} × {sides[1]} pixels look like signals; if they are, give the "
        "layout NCL, NLC or NL"
    )
