"""Values of the user's network, and the nodes of ours that have them."""

from dataclasses import dataclass

from netmorph.importing.graph import Shape


@dataclass(frozen=True, slots=True)
class Value:
    """The output of an operation, and the node that has it.

    An image of one position after a global pool is a vector of ours: `sides` is empty then, and
    `shape` is (channels, 1, 1).
    """

    node: int
    shape: Shape  # of one example, in the user's network, with its channels first
    sides: Shape = ()  # spatial sides of the node's output; empty for a vector
    pads: tuple[tuple[int, int], ...] = ()  # positions that a later layer adds, per axis
    filling: float = 0.0  # the value of these
    channels_last: bool = False  # the user's axes are (batch, *sides, channels)
    expanded: Shape = ()  # the sides over which the user's network repeats its numbers
    flattened: tuple[int, ...] = ()  # (positions, channels) of a vector made of channels-last axes

    @property
    def is_vector(self) -> bool:
        return not self.sides

    @property
    def written_shape(self) -> Shape:
        """The shape in the order of the user's axes."""
        return (*self.shape[1:], self.shape[0]) if self.channels_last else self.shape

    @property
    def channel_axis(self) -> int:
        """The user's axis of the channels, where the batch is axis 0."""
        return len(self.shape) if self.channels_last else 1

    @property
    def spatial_axes(self) -> set[int]:
        """The user's axes of positions."""
        return {*range(1, len(self.shape) + 1)} - {self.channel_axis}
