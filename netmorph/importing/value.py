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
    shape: Shape  # of one example, in the user's network
    sides: Shape = ()  # spatial sides of the node's output; empty for a vector
    pads: tuple[tuple[int, int], ...] = ()  # positions that a later layer adds, per axis
    filling: float = 0.0  # the value of these

    @property
    def is_vector(self) -> bool:
        return not self.sides
