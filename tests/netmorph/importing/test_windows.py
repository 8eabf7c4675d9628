"""The layers of ours that have the windows of a user's, by hand."""

import pytest

from netmorph.importing.windows import (
    Kernel,
    Window,
    common_stride,
    kernel_around,
    pool_fields,
    window_count,
)


def window(length: int, size: int, stride: int, before: int, after: int, ceil: bool = False):
    """The window of a layer of the user's along one axis."""
    last_start = length + before - 1 if ceil else None
    count = window_count(size, stride, length + before + after, last_start)
    return Window(length, size, stride, before, after, count)


@pytest.mark.parametrize(
    ("size", "stride", "padded", "last_start", "expected"),
    [
        (3, 2, 8, None, 3),
        (3, 2, 8, 7, 4),
        (2, 3, 7, 5, 2),  # a third window would begin behind the last start
        (9, 1, 8, None, 0),
    ],
)
def test_windows_are_counted(size, stride, padded, last_start, expected):
    assert window_count(size, stride, padded, last_start) == expected


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(8, 3, 1, 1, 1)], Kernel(3, (0,))),
        ([window(8, 3, 2, 0, 1)], Kernel(3, (0,), (0, 1))),
        ([window(9, 3, 2, 0, 1)], Kernel(3, (0,), (0, 0))),  # the last position is not read
        ([window(8, 2, 2, 0, 0)], Kernel(3, (1,))),  # every second window of three begins there
        ([window(8, 1, 1, 0, 0), window(8, 5, 1, 2, 2)], Kernel(5, (2, 0))),
        ([window(8, 3, 1, 3, 3)], Kernel(5, (1,), (4, 4))),  # pads are smaller than the kernel
        ([window(2, 3, 1, 0, 0)], None),
        ([window(200, 65, 1, 0, 0)], None),
    ],
)
def test_a_kernel_of_ours_holds_the_users(windows, expected):
    assert kernel_around(windows) == expected


def test_unequal_strides_are_one_stride_of_which_some_windows_are_left_out():
    closer, steps = common_stride([window(9, 3, 4, 1, 1), window(9, 1, 6, 0, 0)])
    assert closer == (window(9, 3, 2, 1, 1), window(9, 1, 2, 0, 0))
    assert steps == (2, 3)
    same = (window(9, 3, 2, 0, 0), window(8, 3, 2, 0, 1))
    assert common_stride(same) == (same, (1, 1))


PLAIN = {"size": 3, "stride": 2}


@pytest.mark.parametrize(
    ("windows", "counted", "expected"),
    [
        ([window(9, 3, 2, 0, 0)], True, PLAIN),
        ([window(9, 3, 2, 1, 1)], False, PLAIN | {"padding": 1}),
        ([window(9, 3, 2, 1, 1)], True, PLAIN | {"padding": 1, "count_include_pad": True}),
        ([window(8, 3, 2, 0, 1)], False, PLAIN | {"ceil_mode": True}),
        ([window(8, 3, 2, 0, 1)], True, PLAIN | {"pads": [0, 1], "count_include_pad": True}),
        ([window(8, 3, 2, 0, 0, True)], True, PLAIN | {"ceil_mode": True}),
        ([window(9, 3, 2, 2, 0)], False, PLAIN | {"pads": [2, 0]}),
        ([window(9, 3, 2, 1, 1), window(8, 3, 2, 0, 1)], False, PLAIN | {"pads": [1, 0, 1, 1]}),
        ([window(5, 3, 2, 1, 0, True)], False, PLAIN | {"padding": 1}),
        ([window(5, 3, 2, 1, 0, True)], True, None),  # its last mean is of two positions
        ([window(9, 3, 2, 3, 0)], False, None),  # a window of padding alone
        ([window(9, 2, 2, 0, 0), window(9, 1, 1, 0, 0)], True, {"size": [2, 1], "stride": [2, 1]}),
        ([window(9, 2, 2, 0, 0), window(9, 2, 1, 0, 0)], False, {"size": 2, "stride": [2, 1]}),
        (
            [window(9, 3, 1, 1, 1), window(9, 1, 1, 0, 0)],
            False,
            {"size": [3, 1], "stride": 1, "pads": [1, 0, 1, 0]},
        ),
        (
            [window(9, 3, 1, 1, 1), window(9, 2, 1, 1, 1)],
            True,
            {"size": [3, 2], "stride": 1, "padding": 1, "count_include_pad": True},
        ),
        ([window(9, 3, 2, 0, 0), window(9, 1, 1, 1, 0)], False, None),
    ],
)
def test_a_pool_of_ours_has_the_same_windows(windows, counted, expected):
    assert pool_fields(windows, counted=counted) == expected
