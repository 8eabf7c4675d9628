"""Examples of a data set of images as one small picture."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 44  # pixels of the larger side of an example in the picture
_GAP = 4  # pixels between two examples


def strip(examples: NDArray[Any], least: float, greatest: float) -> bytes:
    """The examples (n, C, H, W) in a row, as PNG; `least` is black, `greatest` white."""
    shown = [_image(one, least, greatest) for one in examples]
    width = sum(one.width for one in shown) + _GAP * (len(shown) - 1)
    canvas = Image.new("RGBA", (width, max(one.height for one in shown)))
    left = 0
    for one in shown:
        canvas.paste(one, (left, 0))
        left += one.width + _GAP
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def _image(example: NDArray[Any], least: float, greatest: float) -> Image.Image:
    """One example; of two or more than four channels the first ones are shown."""
    shares = (example.astype(np.float64) - least) / ((greatest - least) or 1.0)
    values = np.clip(255 * shares, 0, 255).astype(np.uint8)
    channels = 3 if len(values) >= 3 else 1
    picture = (
        Image.fromarray(values[0])
        if channels == 1
        else Image.fromarray(np.ascontiguousarray(values[:3].transpose(1, 2, 0)))
    )
    return picture.resize(_size(picture.size), _filter(picture.size)).convert("RGB")


def _size(found: Sequence[int]) -> tuple[int, int]:
    scale = SIDE / max(found)
    return max(1, round(found[0] * scale)), max(1, round(found[1] * scale))


def _filter(found: Sequence[int]) -> Image.Resampling:
    """Pixels stay squares where a picture is made larger."""
    is_small = max(found) <= SIDE
    return Image.Resampling.NEAREST if is_small else Image.Resampling.BOX
