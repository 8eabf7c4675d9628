"""The operations that layers count."""

import pytest

from core.layers import (
    AvgPool1d,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
    MaxPool2d,
    Zero,
)


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (Conv2d(4, 3), (2, 5, 6), 2 * 4 * 5 * 6 * 2 * 9),
        (Conv2d(4, 3, 2), (2, 5, 6), 2 * 4 * 3 * 3 * 2 * 9),
        (Conv1d(4, 3), (2, 6), 2 * 4 * 6 * 2 * 3),
        (Conv1d(4, 5, 2), (2, 7), 2 * 4 * 4 * 2 * 5),
        (DepthwiseConv1d(5), (2, 7), 2 * 2 * 7 * 5),
        (DepthwiseConv2d(5), (2, 7, 6), 2 * 2 * 7 * 6 * 25),
        (AvgPool1d(3, 1), (2, 7), 2 * 5 * 3),
        (MaxPool2d(3, 1), (2, 7, 6), 2 * 5 * 4 * 9),
        (MaxPool2d(3, 1, 1), (2, 7, 6), 2 * 7 * 6 * 9),
        (Zero(2), (2, 7, 6), 0),
        (Dense(7), (5,), 70),
    ],
)
def test_flops_count_each_multiply_add_twice(layer, shape, flops):
    assert layer.flops([shape]) == flops
