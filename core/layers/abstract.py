"""The interface of all layers: frozen values that know their shapes, parameters and function.

Shapes leave out the batch: an image is (channels, height, width), a signal (channels, length), a
vector (features,). Arrays of values have the batch as their first axis: (N, *shape). Parameter
names and array layouts are those of torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from math import prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import InvalidArchitecture
from core.registry import Registry

Shape = tuple[int, ...]
Array = NDArray[np.floating]
Parameters = Mapping[str, Array]  # parameter name -> array


class Channels(Enum):
    """Where the channels of a layer's output come from."""

    GIVEN = "given"  # the data's: their number never changes
    OWN = "own"  # made by the layer: their number is a width variable
    SAME = "same"  # those of the first input
    UNIFIED = "unified"  # those of all inputs, which must be equal
    JOINED = "joined"  # those of all inputs, one after the other
    FLATTENED = "flattened"  # each becomes one feature per position


class Axis(Enum):
    """The channels that one axis of a parameter array runs over."""

    PRODUCED = "produced"  # the channels that the layer makes
    CONSUMED = "consumed"  # the channels of the input, over which the layer sums
    CARRIED = "carried"  # the channels that pass through separately
    FIXED = "fixed"  # none: its length does not depend on a width


class AbstractLayer(ABC):
    """One kind of layer; the edit distance compares layers by their dataclass fields."""

    __slots__ = ()

    title: ClassVar[str]  # the kind in words, for people
    channels: ClassVar[Channels]
    inputs: ClassVar[int | None] = 1  # their number; None for two or more
    commutative: ClassVar[bool] = False  # the order of the inputs has no meaning
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {}  # of each possible parameter
    buffers: ClassVar[frozenset[str]] = frozenset()  # parameters without a gradient
    optional: ClassVar[frozenset[str]] = frozenset()  # fields that JSON omits at their default

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the output; raises InvalidArchitecture if the inputs do not fit."""

    @abstractmethod
    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        """The output in evaluation mode, each (N, *shape); the reference for the torch module."""

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """The shape of each parameter by name."""
        return {}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        """Initial values of all parameters by name."""
        return {}

    def flops(self, inputs: Sequence[Shape]) -> int:
        """Operations of one example's forward pass; a multiply-add counts as two."""
        return 0

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        """The number of four-byte values of one example kept for the backward pass."""
        return prod(self.output_shape(inputs))

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        """Whether the output is never negative, given which inputs are never negative."""
        return False

    def shortcut(self, inputs: Sequence[Shape]) -> "AbstractLayer | None":
        """A layer without parameters that changes the spatial axes in the same way.

        None if the spatial axes do not change.
        """
        return None

    def with_width(self, width: int) -> Self:
        """The same layer with `width` output channels.

        Raises InvalidArchitecture for a layer that makes no channels of its own.
        """
        raise InvalidArchitecture(
            f"{self!r} makes no channels of its own: it has no width to change"
        )


LAYERS: Registry[AbstractLayer] = Registry("layer")

#: The expected input by the number of spatial axes, in words.
_EXPECTED = {1: "a signal (channels, length)", 2: "an image (channels, height, width)"}


def check_positive(layer: AbstractLayer, **values: int) -> None:
    """Raise InvalidArchitecture unless all values are positive integers."""
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise InvalidArchitecture(
                f"{type(layer).__name__} has {name} {value!r}; expected an integer of at least 1"
            )


def check_boolean(layer: AbstractLayer, **values: bool) -> None:
    """Raise InvalidArchitecture unless all values are true or false."""
    for name, value in values.items():
        if type(value) is not bool:
            raise InvalidArchitecture(
                f"{type(layer).__name__} has {name} {value!r}; expected true or false"
            )


def spatial_sides(layer: AbstractLayer, shape: Shape, axes: int) -> Shape:
    """The lengths of the `axes` spatial axes; raises InvalidArchitecture for another number."""
    if len(shape) != 1 + axes:
        raise InvalidArchitecture(
            f"{type(layer).__name__} got an input of shape {shape}; expected {_EXPECTED[axes]}"
        )
    return shape[1:]


def feature_count(layer: AbstractLayer, shape: Shape) -> int:
    """The length of a vector; raises InvalidArchitecture for an image or a signal."""
    if len(shape) != 1:
        raise InvalidArchitecture(
            f"{type(layer).__name__} got an input of shape {shape}; expected a vector (features,)"
        )
    return shape[0]
