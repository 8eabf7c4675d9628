"""The operations and the kept values of layers, by hand."""

import pytest

from core.layers import (
    Add,
    AvgPool1d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
    Dropout,
    Flatten,
    Gate,
    GlobalAvgPool2d,
    MaxPool2d,
    Output,
    ReLU,
    Scale,
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


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (BatchNorm(), (2, 5, 6), 2 * 60),
        (ReLU(), (2, 5, 6), 60),
        (Gate(), (5,), 5),
        (GlobalAvgPool2d(), (2, 5, 6), 60),
        (Flatten(), (2, 5, 6), 0),
        (Dropout(0.5), (5,), 0),
    ],
)
def test_elementwise_layers_count_each_value(layer, shape, flops):
    assert layer.flops([shape]) == flops


def test_merges_count_the_values_that_they_combine():
    assert Add().flops([(2, 5, 6)] * 3) == 2 * 60
    assert Scale().flops([(2, 5, 6), (2,)]) == 60
    assert Concat().flops([(2, 5, 6), (1, 5, 6)]) == 0


@pytest.mark.parametrize(
    ("layer", "shape", "kept"),
    [
        (Conv2d(4, 3, 2), (2, 5, 6), 4 * 3 * 3),
        (Dense(7), (5,), 7),
        (ReLU(), (2, 5), 10),
        (MaxPool2d(3, 1), (2, 7, 6), 3 * 2 * 5 * 4),  # the indices are eight bytes each
        (AvgPool1d(3, 1), (2, 7), 2 * 5),
        (GlobalAvgPool2d(), (2, 5, 6), 2),
        (Flatten(), (2, 5, 6), 0),
        (Zero(), (2, 5, 6), 0),
        (Output(), (5,), 0),
    ],
)
def test_training_keeps_the_outputs_for_the_backward_pass(layer, shape, kept):
    assert layer.kept_values([shape]) == kept
