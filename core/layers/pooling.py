"""What the pooling layers share: the windows and how many there are."""

from collections.abc import Iterator
from itertools import product

from core.errors import InvalidArchitecture
from core.layers.abstract import AbstractLayer, Array, Shape, image


def pooled_shape(layer: AbstractLayer, shape: Shape, size: int, stride: int) -> Shape:
    """The shape after pooling; raises InvalidArchitecture for an image below one window."""
    channels, height, width = image(layer, shape)
    if min(height, width) < size:
        raise InvalidArchitecture(
            f"{type(layer).__name__} of size {size} got an input of shape {shape}; "
            f"expected at least {size} × {size} pixels"
        )
    return (channels, (height - size) // stride + 1, (width - size) // stride + 1)


def pooling_slices(x: Array, size: int, stride: int) -> Iterator[Array]:
    """For each place in a window its values: (N, C, H, W) -> (N, C, H', W')."""
    height, width = ((n - size) // stride * stride + 1 for n in x.shape[2:])
    for row, column in product(range(size), repeat=2):
        yield x[:, :, row : row + height : stride, column : column + width : stride]
