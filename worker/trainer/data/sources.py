"""Where examples are read from: all of them on the device, or their file, batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

Prepare = Callable[[Tensor], Tensor]  # applied once to each example as it is read


class AbstractSource(ABC):
    """Examples as they are stored, but for their preparation."""

    @abstractmethod
    def rows(self, chosen: Tensor) -> Tensor:
        """The examples at these positions, which are on the CPU, on the device."""

    @abstractmethod
    def between(self, start: int, stop: int) -> Tensor:
        """The examples of these positions on the device."""


def source(
    x: NDArray[Any],
    indices: NDArray[np.intp] | None,
    device: torch.device,
    prepare: Prepare,
    *,
    stay_in_file: bool,
) -> AbstractSource:
    """The examples at these indices, or all."""
    if stay_in_file:
        return _InFile(x, np.arange(len(x)) if indices is None else indices, device, prepare)
    return _OnDevice(prepare(on_device(tensor_of(x if indices is None else x[indices]), device)))


class _OnDevice(AbstractSource):
    """All examples in the memory of the device."""

    def __init__(self, x: Tensor) -> None:
        self._x = x

    def rows(self, chosen: Tensor) -> Tensor:
        return self._x[on_device(chosen, self._x.device)]

    def between(self, start: int, stop: int) -> Tensor:
        return self._x[start:stop]


class _InFile(AbstractSource):
    """Examples in a mapped file, whose pages the kernel may drop: memory for one batch."""

    def __init__(
        self, x: NDArray[Any], indices: NDArray[np.intp], device: torch.device, prepare: Prepare
    ) -> None:
        self._x, self._indices, self._device, self._prepare = x, indices, device, prepare

    def rows(self, chosen: Tensor) -> Tensor:
        return self._read(self._indices[chosen.numpy()])

    def between(self, start: int, stop: int) -> Tensor:
        return self._read(self._indices[start:stop])

    def _read(self, indices: NDArray[np.intp]) -> Tensor:
        return self._prepare(on_device(tensor_of(self._x[indices]), self._device))


def tensor_of(array: NDArray[Any]) -> Tensor:
    """The array as a tensor over the same memory, which must not be written: no copy of a file.

    `torch.from_numpy` warns about read-only arrays; the DLPack protocol supports them.
    """
    return from_dlpack(np.ascontiguousarray(array))


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU through pinned memory, without waiting."""
    if device.type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
