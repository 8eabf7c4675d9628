"""What every layer is: a frozen value that knows its shapes, its parameters and its function.

Shapes leave the batch out: an image is (channels, height, width), a signal (channels, length), a
vector (features,).
Parameter names and array layouts are torch's.
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

    GIVEN = "given"  # from the data: their number never changes
    OWN = "own"  # made by the layer: their number is one width variable
    SAME = "same"  # those of the only input
    UNIFIED = "unified"  # those of every input, which must agree
    JOINED = "joined"  # those of all inputs, one after the other
    FLATTENED = "flattened"  # each becomes as many features as it has places


class Axis(Enum):
    """What one axis of a parameter array runs over."""

    PRODUCED = "produced"  # the channels that the layer makes
    CONSUMED = "consumed"  # the channels of the input, which are summed over
    CARRIED = "carried"  # the channels that pass through, each on its own
    FIXED = "fixed"  # nothing that a width changes


class AbstractLayer(ABC):
    """One kind of layer; its dataclass fields are all that the distance between layers sees."""

    __slots__ = ()

    title: ClassVar[str]  # in words
    channels: ClassVar[Channels]
    inputs: ClassVar[int | None] = 1  # how many; None for two or more
    commutative: ClassVar[bool] = False  # the order of the inputs means nothing
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {}  # of each parameter that it may have
    buffers: ClassVar[frozenset[str]] = frozenset()  # parameters that no gradient trains
    optional: ClassVar[frozenset[str]] = frozenset()  # fields that JSON leaves out at the default

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the output; raises InvalidArchitecture where the inputs do not fit."""

    @abstractmethod
    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        """The output for a batch of inputs, as in evaluation; the reference for torch."""

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """The shape of each parameter."""
        return {}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        """Fresh values of all parameters."""
        return {}

    def flops(self, inputs: Sequence[Shape]) -> int:
        """Operations of one example's forward pass; a multiply-add counts as two."""
        return 0

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        """How many four-byte values of one example training keeps for the backward pass."""
        return prod(self.output_shape(inputs))

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        """Whether no output is ever below zero, given which inputs never are."""
        return False

    def shortcut(self, inputs: Sequence[Shape]) -> "AbstractLayer | None":
        """A layer without parameters that changes the spatial axes alike; None: they stay."""
        return None

    def with_width(self, width: int) -> Self:
        """The same layer making `width` channels."""
        raise InvalidArchitecture(f"{self!r} makes no channels of its own: it has no width")


LAYERS: Registry[AbstractLayer] = Registry("layer")

#: What has so many spatial axes, in words.
_EXPECTED = {1: "a signal (channels, length)", 2: "an image (channels, height, width)"}


def check_positive(layer: AbstractLayer, **values: int) -> None:
    """Raise InvalidArchitecture unless all values are integers of at least one."""
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


def spatial(layer: AbstractLayer, shape: Shape, axes: int) -> Shape:
    """The lengths of so many spatial axes; raises InvalidArchitecture for another number."""
    if len(shape) != 1 + axes:
        raise InvalidArchitecture(
            f"{type(layer).__name__} got an input of shape {shape}; expected {_EXPECTED[axes]}"
        )
    return shape[1:]


def features(layer: AbstractLayer, shape: Shape) -> int:
    """The length of a vector; raises InvalidArchitecture for anything else."""
    if len(shape) != 1:
        raise InvalidArchitecture(
            f"{type(layer).__name__} got an input of shape {shape}; expected a vector (features,)"
        )
    return shape[0]
