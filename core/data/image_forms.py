"""The form that all images of a data set are brought into: size, channels, bits.

If all have the same size, they keep it, unless they are larger than the largest side. Else each is
fitted, its proportions kept, into the median size, with black beside it. Grey images stay grey if
all are; transparency becomes a channel where there is any; of 16 bits all are kept in grey images,
eight in colour ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header of an image says, with its sides as people see them."""

    height: int
    width: int
    is_colour: bool
    has_alpha: bool
    is_16_bit: bool  # and grey
    is_animated: bool  # only the first picture is read

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The form that all images are brought into."""

    height: int
    width: int
    mode: str  # "L", "LA", "RGB", "RGBA" or "I;16"
    note: str

    @property
    def channels(self) -> int:
        return 1 if self.mode == "I;16" else len(self.mode)

    @property
    def bytes(self) -> int:
        """Of one image."""
        return self.height * self.width * self.channels * (2 if self.mode == "I;16" else 1)


def form_of(facts: Sequence[ImageFacts], largest: int) -> ImageSpec:
    """The form that suits all images."""
    sizes = {(image.height, image.width) for image in facts}
    height = round(median(image.height for image in facts))
    width = round(median(image.width for image in facts))
    scale = min(1.0, largest / max(height, width))
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    mode = "RGB" if any(image.is_colour for image in facts) else "L"
    if any(image.has_alpha for image in facts):
        mode += "A"
    elif mode == "L" and any(image.is_16_bit for image in facts):
        mode = "I;16"
    return ImageSpec(height, width, mode, _note(sizes, height, width, largest))


def _note(sizes: set[tuple[int, int]], height: int, width: int, largest: int) -> str:
    """How sizes were made equal; empty where they are as they were."""
    if sizes == {(height, width)}:
        return ""
    if len(sizes) == 1:
        ((old_height, old_width),) = sizes
        return (
            f"images of {old_height} × {old_width} pixels are scaled to {height} × {width}, as "
            f"no side may be longer than {largest}: another limit may be given"
        )
    lows, highs = (tuple(f(size[i] for size in sizes) for i in (0, 1)) for f in (min, max))
    return (
        f"images of {len(sizes)} sizes, heights {lows[0]} to {highs[0]} and widths {lows[1]} to "
        f"{highs[1]}, are fitted into {height} × {width} pixels (the median, no side longer than "
        f"{largest}), proportions kept, with black beside them"
    )
