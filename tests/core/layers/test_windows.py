"""Windows: their values by hand, and the sides that they leave."""

import numpy as np
import pytest

from core.errors import InvalidArchitecture
from core.layers import Conv1d, Conv2d, DepthwiseConv2d, MaxPool2d
from core.layers.windows import (
    by_offset,
    check_odd,
    ends_of,
    kernel_ends,
    pad_ends,
    padded_windows,
    strided_sides,
    window_size,
    windowed_sides,
)

SIGNAL = np.arange(1.0, 6).reshape(1, 1, 5)


def test_the_window_around_each_position_has_zeros_outside():
    assert padded_windows(SIGNAL, 3, 1, [(1, 1)])[0, 0].tolist() == [
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 5],
        [4, 5, 0],
    ]
    found = padded_windows(SIGNAL, 3, 2, [(1, 1)])[0, 0]
    assert found.tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 0]]
    found = padded_windows(SIGNAL, 3, 2, [(0, 2)])[0, 0]
    assert found.tolist() == [[1, 2, 3], [3, 4, 5], [5, 0, 0]]


def test_windows_of_images_have_two_axes():
    image = np.arange(6.0).reshape(1, 1, 2, 3)
    windows = padded_windows(image, 3, 1, [(1, 1), (1, 1)])
    assert windows.shape == (1, 1, 2, 3, 3, 3)
    assert windows[0, 0, 1, 2].tolist() == [[1, 2, 0], [4, 5, 0], [0, 0, 0]]


def test_padding_surrounds_the_spatial_axes_alone():
    assert pad_ends(SIGNAL, [(0, 0)]) is SIGNAL
    assert pad_ends(SIGNAL, [(2, 1)], -1.0)[0, 0].tolist() == [-1, -1, 1, 2, 3, 4, 5, -1]


def test_pads_are_those_before_each_axis_and_then_those_after():
    assert ends_of((1, 2, 3, 4)) == ((1, 3), (2, 4))
    assert kernel_ends(5, (1, 2), 1) == ((1, 2),)
    assert kernel_ends(5, (), 2) == ((2, 2), (2, 2))


def test_offsets_give_the_values_of_all_windows_in_turn():
    found = [values[0, 0].tolist() for values in by_offset(SIGNAL, [2], [2])]
    assert found == [[1, 3], [2, 4]]  # the windows (1, 2) and (3, 4); 5 is incomplete
    image = np.arange(12.0).reshape(1, 1, 3, 4)
    assert [values[0, 0].tolist() for values in by_offset(image, [2, 2], [3, 3])] == [
        [[0]],
        [[1]],
        [[4]],
        [[5]],
    ]
    assert [values[0, 0].tolist() for values in by_offset(image, [2, 1], [1, 3])] == [
        [[0, 3], [4, 7]],
        [[4, 7], [8, 11]],
    ]


@pytest.mark.parametrize(
    ("stride", "expected"), [(1, (7, 4)), (2, (4, 2)), (3, (3, 2)), (9, (1, 1))]
)
def test_a_stride_divides_the_sides_and_rounds_up(stride, expected):
    assert strided_sides((7, 4), stride) == expected


@pytest.mark.parametrize(
    ("size", "stride", "padding", "expected"),
    [(2, 2, 0, (3, 2)), (3, 1, 0, (5, 3)), (3, 1, 1, (7, 5)), (3, 2, 1, (4, 3)), (5, 3, 0, (1, 1))],
)
def test_a_pool_has_one_position_for_each_complete_window(size, stride, padding, expected):
    ends = [(padding, padding)] * 2
    assert windowed_sides(MaxPool2d(), (7, 5), [size] * 2, [stride] * 2, ends) == expected


def test_a_pool_may_have_a_size_and_a_stride_for_each_axis():
    assert windowed_sides(MaxPool2d(), (7, 5), [2, 3], [2, 1], [(0, 0)] * 2) == (3, 3)
    found = windowed_sides(MaxPool2d(), (7, 5), [2, 3], [2, 3], [(0, 0)] * 2, ceil=True)
    assert found == (4, 2)


def test_a_pool_larger_than_its_input_says_how_large_the_input_must_be():
    message = "MaxPool2d of size 4 got an input of 7 × 1 positions; expected at least 2 × 2"
    with pytest.raises(InvalidArchitecture, match=message):
        windowed_sides(MaxPool2d(), (7, 1), [4, 4], [1, 1], [(1, 1), (1, 1)])
    message = "of size 2 × 4 got an input of 7 × 1 positions; expected at least 2 × 4"
    with pytest.raises(InvalidArchitecture, match=message):
        windowed_sides(MaxPool2d(), (7, 1), [2, 4], [1, 1], [(0, 0), (0, 0)])


@pytest.mark.parametrize(
    ("pads", "message"),
    [
        ((1, 1, 1, 1), "expected none: half the kernel is the padding of a convolution without"),
        ((0, 0), r"has pads \[0, 0\]; expected none, or 4 integers from 0 to 2: those before"),
        ((0, 0, 0, 3), "expected none, or 4 integers from 0 to 2"),
        ((0, 0, 0, True), "expected none, or 4 integers from 0 to 2"),
        ([0, 0, 1, 1], "expected none, or 4 integers from 0 to 2"),
    ],
)
def test_pads_that_a_convolution_cannot_have_are_refused(pads, message):
    for make in (lambda: Conv2d(3, pads=pads), lambda: DepthwiseConv2d(pads=pads)):
        with pytest.raises(InvalidArchitecture, match=message):
            make()


def test_a_convolution_with_pads_is_too_large_for_some_inputs():
    with pytest.raises(
        InvalidArchitecture, match="input of 2 × 3 positions; expected at least 3 × 1"
    ):
        Conv2d(3, pads=(0, 1, 0, 1)).output_shape([(1, 2, 3)])
    assert Conv2d(3, pads=(0, 1, 1, 1)).output_shape([(1, 2, 3)]) == (3, 1, 3)


def test_a_kernel_has_a_middle():
    check_odd(Conv1d(1), 5)
    with pytest.raises(InvalidArchitecture, match="Conv1d has kernel 4; expected an odd number"):
        check_odd(Conv1d(1), 4)


def test_a_window_has_one_value_per_position():
    assert [window_size(3, axes) for axes in (0, 1, 2)] == [1, 3, 9]
