"""Padding that differs at the two ends of an axis, which torch's layers do not have themselves."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

Ends = Sequence[tuple[int, int]]  # positions before and after the values of each spatial axis


def shared(ends: Ends) -> tuple[int, ...]:
    """The padding along each axis that both of its ends have, which torch's layers add."""
    return tuple(min(end) for end in ends)


def remaining(ends: Ends) -> Ends:
    """The padding of each end beyond the shared one."""
    return tuple(
        (before - min(before, after), after - min(before, after)) for before, after in ends
    )


def padded(x: Tensor, ends: Ends, value: float = 0.0) -> Tensor:
    """The values with more positions at the ends of the spatial axes."""
    if not any(map(any, ends)):
        return x
    last_axis_first = [pad for end in reversed(ends) for pad in end]
    return functional.pad(x, last_axis_first, value=value)
