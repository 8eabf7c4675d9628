"""The data of one training: tensors on the device, batches in random order, augmentation.

Examples stay as stored (bytes take a quarter of the memory of floats); a batch is gathered,
moved, normalised and bent in a few vectorised steps, so no loader processes are needed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.augmentation import can_augment
from worker.trainer.data.augmentation import affine, warp
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.sources import on_device, source, tensor_of

SHIFT = 1 / 12  # of an image's shorter side, at most


class Examples:
    """Examples and their labels or targets on a device, read in normalised batches.

    Those that are to stay in their file are read from it batch by batch.
    """

    def __init__(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        normalisation: Normalisation,
        device: torch.device,
        *,
        indices: NDArray[np.intp] | None = None,  # of the examples; None: all
        stay_in_file: bool = False,
        augmentation: str = "none",
        erasing: float = 0.0,
        channels_last: bool = False,
    ) -> None:
        self.normalisation = normalisation
        self._device = device
        self._y = on_device(tensor_of(y if indices is None else y[indices]), device)
        dtype = torch.float64 if normalisation.in_float64 else torch.float32
        self._mean = by_channel(normalisation.mean, x.ndim).to(device, dtype)
        self._scale = 1 / by_channel(normalisation.std, x.ndim).to(device, dtype)
        self._format = (
            torch.channels_last if channels_last and x.ndim == 4 else torch.contiguous_format
        )
        is_large = can_augment(x.shape[1:])
        self._shift = largest_shift(x.shape[1:]) if "shift" in augmentation else 0
        self._flip = "flip" in augmentation and x.ndim == 4
        self._affine = "affine" in augmentation and x.ndim == 4 and is_large
        self._warp = "warp" in augmentation and x.ndim == 3 and is_large
        black = by_channel(normalisation.black, x.ndim).to(device)
        self._x = source(
            x, indices, device, lambda x: _framed(x, self._shift, black), stay_in_file=stay_in_file
        )
        self._black = (black.to(dtype) - self._mean).mul(self._scale).to(torch.float32)
        self._height, self._width = x.shape[2:] if x.ndim == 4 else (0, 0)
        self._length = x.shape[2] if x.ndim == 3 else 0
        side = (self._length or min(self._height, self._width)) if is_large else 0
        self._erased = round(erasing * side)

    def __len__(self) -> int:
        return len(self._y)

    def some(self, count: int) -> NDArray[np.float32]:
        """Up to `count` examples, evenly spaced, normalised, not augmented."""
        indices = np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64)
        x = self._normalised(self._plain(self._x.rows(torch.from_numpy(indices))))
        return np.ascontiguousarray(x.cpu().numpy())

    def training_batches(
        self,
        size: int,
        generator: torch.Generator,
        is_augmented: Callable[[], bool] = lambda: True,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in random order; a last incomplete batch is left out.

        Whether examples are augmented is asked before each batch. The generator is on the CPU, so
        that a seed gives the same batches on any device.
        """
        size = min(size, len(self))
        order = torch.randperm(len(self), generator=generator)
        for start in range(0, len(self) - size + 1, size):
            chosen = order[start : start + size]
            x = self._x.rows(chosen)
            x = self._changed(x, generator) if is_augmented() else self._unchanged(x)
            yield x, self._y[on_device(chosen, self._device)]

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, not augmented."""
        for start in range(0, len(self), size):
            x = self._plain(self._x.between(start, start + size))
            yield self._normalised(x), self._y[start : start + size]

    def raw_batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, as they are stored."""
        for start in range(0, len(self), size):
            x = self._plain(self._x.between(start, start + size))
            yield x, self._y[start : start + size]

    def _plain(self, x: Tensor) -> Tensor:
        """The examples without the padding for shifts."""
        s = self._shift
        return x[:, :, s : s + self._height, s : s + self._width] if s else x

    def _normalised(self, x: Tensor) -> Tensor:
        x = normalised(x, self._mean, self._scale)
        is_plain = self._format is torch.contiguous_format
        return plain_strides(x) if is_plain else x.contiguous(memory_format=self._format)

    def _unchanged(self, x: Tensor) -> Tensor:
        return self._normalised(self._plain(x))

    def _changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._erased_in(self._augmented(x, generator), generator)

    def _augmented(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The examples, normalised, each changed at random: see `augmentation`."""
        if self._affine:
            x = self._normalised(x) - self._black
            return (affine(x, self._flip, generator) + self._black).contiguous(
                memory_format=self._format
            )
        if self._warp:
            return warp(self._normalised(x), generator)
        return self._normalised(self._moved(x, generator))

    def _moved(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The examples, each a random crop of its padded image; half are mirrored."""
        if not (self._shift or self._flip):
            return x
        n, channels = x.shape[:2]
        draws = torch.randint(2 * self._shift + 1, (2, n, 1), generator=generator)
        rows = torch.arange(self._height) + draws[0]  # shape: (n, H)
        columns = torch.arange(self._width) + draws[1]
        if self._flip:
            mirrored = torch.rand((n, 1), generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        pixels = rows[:, :, None] * x.shape[3] + columns[:, None, :]  # shape: (n, H, W)
        index = on_device(pixels.view(n, 1, -1), self._device).expand(-1, channels, -1)
        images = x.flatten(2).gather(2, index)
        return images.view(n, channels, self._height, self._width)

    def _erased_in(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The images, a square of each set to the mean (DeVries & Taylor 2017, arXiv:1708.04552).

        The square lies entirely within the image, so that the same area is erased from each. Of a
        signal, a stretch of time is erased.
        """
        if not self._erased:
            return x
        if self._length:
            stretch = _stretches(len(x), self._length, self._erased, generator)
            return x.masked_fill_(on_device(stretch[:, None], self._device), 0.0)
        rows = _stretches(len(x), self._height, self._erased, generator)
        columns = _stretches(len(x), self._width, self._erased, generator)
        square = rows[:, :, None] & columns[:, None, :]  # shape: (n, H, W)
        return x.masked_fill_(on_device(square[:, None], self._device), 0.0)


def _stretches(n: int, length: int, size: int, generator: torch.Generator) -> Tensor:
    """For each of n examples, which of `length` positions are in a random stretch of `size`."""
    first = torch.randint(length - size + 1, (n, 1), generator=generator)
    positions = torch.arange(length)
    return (positions >= first) & (positions < first + size)  # shape: (n, length)


def largest_shift(shape: tuple[int, ...]) -> int:
    """The most pixels by which an image of this shape is shifted: a twelfth of its side."""
    if len(shape) != 3 or not can_augment(shape):
        return 0
    return max(1, round(SHIFT * min(shape[1:])))


def normalised(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """(x - mean) * scale in the precision of the statistics, as float32.

    `worker.trainer.export.predict` does the same, operation by operation.
    """
    return ((x.to(mean.dtype) - mean) * scale).to(torch.float32)


def plain_strides(x: Tensor) -> Tensor:
    """The tensor with the strides of its shape, also for axes of length one.

    By their strides torch may take an image of one channel for a channels-last one, whose
    convolutions are rounded in another way.
    """
    return x.flatten().view(x.shape)


def by_channel(values: Sequence[float], axes: int) -> Tensor:
    """Float64 values in the shape that goes with examples of this number of axes."""
    return torch.tensor(values, dtype=torch.float64).view(1, -1, *[1] * (axes - 2))


def _framed(images: Tensor, width: int, black: Tensor) -> Tensor:
    """The images in a black frame of this width, if it is not zero."""
    if not width:
        return images
    n, channels, height, columns = images.shape
    if images.dtype == torch.uint8:
        black = black.round()
    shape = (n, channels, height + 2 * width, columns + 2 * width)
    framed = black.to(images.dtype).expand(shape).contiguous()
    framed[:, :, width : width + height, width : width + columns] = images
    return framed
