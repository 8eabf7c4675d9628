"""Which examples are large enough to be changed at random without losing their labels."""

#: Of images and signals. A smaller side has pixels or times that alone may carry the label.
SMALLEST_SIDE = 8


def can_augment(input_shape: tuple[int, ...]) -> bool:
    """Whether such examples may be moved, bent and partly erased.

    Images with a small side and short signals may not: a single pixel is too large a part of them.
    Vectors may not either.
    """
    return len(input_shape) > 1 and min(input_shape[1:]) >= SMALLEST_SIDE
