"""Values of the user's network, and where the nodes of ours have them."""

from dataclasses import dataclass

from netmorph.importing.frames import Axis
from netmorph.importing.graph import Shape


@dataclass(frozen=True, slots=True)
class Value:
    """The output of an operation: the node that has it, and where in its output it is.

    An image of one position after a global pool is a vector of ours: `axes` is empty then, and
    `shape` is (channels, 1, 1).
    """

    node: int
    shape: Shape  # of one example, in the user's network
    axes: tuple[Axis, ...] = ()  # spatial axes of the node's output; empty for a vector
    flattened: tuple[Axis, ...] = ()  # spatial axes before a flattening; empty without a frame
    channels: int = 0  # before a flattening with a frame
    pads: tuple[tuple[int, int], ...] = ()  # zeros that a later convolution adds, per axis

    @property
    def is_vector(self) -> bool:
        return not self.axes

    @property
    def is_framed(self) -> bool:
        return any(axis.is_framed for axis in self.axes)
