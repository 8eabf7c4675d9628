"""Pools against loops written from their definition."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import InvalidArchitecture
from core.layers import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from core.layers.windows import along_axes
from tests.strategies import generators, one_or_each


@given(rng=generators, size=st.integers(1, 3), stride=st.integers(1, 3), length=st.integers(3, 9))
def test_pools_of_signals_take_the_largest_and_the_mean_of_windows(rng, size, stride, length):
    x = rng.normal(size=(1, 2, length))
    largest = MaxPool1d(size, stride).forward({}, [x])
    mean = AvgPool1d(size, stride).forward({}, [x])
    starts = range(0, length - size + 1, stride)
    assert largest.shape == mean.shape == (1, 2, len(starts))
    for i, start in enumerate(starts):
        window = x[0, :, start : start + size]
        np.testing.assert_array_equal(largest[0, :, i], window.max(axis=1))
        np.testing.assert_allclose(mean[0, :, i], window.mean(axis=1), atol=1e-12)


@given(
    rng=generators,
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(3, 8), st.integers(3, 8)),
)
def test_pools_take_the_largest_and_the_mean_of_complete_windows(rng, size, stride, sides):
    x = rng.normal(size=(1, 2, *sides))
    largest = MaxPool2d(size, stride).forward({}, [x])
    mean = AvgPool2d(size, stride).forward({}, [x])
    rows, columns = (range(0, side - size + 1, stride) for side in sides)
    assert largest.shape == mean.shape == (1, 2, len(rows), len(columns))
    for c, (i, row), (j, column) in (
        (c, a, b) for c in (0, 1) for a in enumerate(rows) for b in enumerate(columns)
    ):
        window = x[0, c, row : row + size, column : column + size]
        assert largest[0, c, i, j] == window.max()
        assert mean[0, c, i, j] == pytest.approx(window.sum() / window.size, abs=1e-12)


@given(
    rng=generators,
    size=st.integers(2, 5),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
)
def test_padded_pools_take_the_largest_and_the_mean_of_the_real_values(
    rng, size, stride, sides, data
):
    padding = data.draw(st.integers(1, size // 2))
    assume(min(sides) + 2 * padding >= size)
    x = rng.normal(size=(1, 2, *sides)) - 3  # padding by zeros would be the largest
    largest = MaxPool2d(size, stride, padding).forward({}, [x])
    present = AvgPool2d(size, stride, padding).forward({}, [x])
    counted = AvgPool2d(size, stride, padding, count_include_pad=True).forward({}, [x])
    corners = [range(-padding, side + padding - size + 1, stride) for side in sides]
    assert largest.shape == present.shape == counted.shape == (1, 2, *map(len, corners))
    for c, (i, row), (j, column) in product((0, 1), *map(enumerate, corners)):
        rows, columns = slice(max(row, 0), row + size), slice(max(column, 0), column + size)
        window = x[0, c, rows, columns]
        assert largest[0, c, i, j] == window.max()
        assert present[0, c, i, j] == pytest.approx(window.mean(), abs=1e-12)
        assert counted[0, c, i, j] == pytest.approx(window.sum() / size**2, abs=1e-12)


@given(
    rng=generators,
    size=st.integers(1, 5),
    stride=st.integers(1, 4),
    sides=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
)
def test_incomplete_windows_at_the_end_take_the_values_that_they_have(
    rng, size, stride, sides, data
):
    padding = data.draw(st.integers(0, size // 2))
    assume(min(sides) + 2 * padding > size - stride)
    x = rng.normal(size=(1, 2, *sides)) - 3
    largest = MaxPool2d(size, stride, padding, ceil_mode=True).forward({}, [x])
    means = {False: AvgPool2d(size, stride, padding, ceil_mode=True).forward({}, [x])}
    if padding:
        counting = AvgPool2d(size, stride, padding, count_include_pad=True, ceil_mode=True)
        means[True] = counting.forward({}, [x])
    corners = [
        [*range(-padding, min(side + padding - size + stride, side), stride)] for side in sides
    ]
    assert largest.shape == (1, 2, *map(len, corners))
    for c, (i, row), (j, column) in product((0, 1), *map(enumerate, corners)):
        rows, columns = slice(max(row, 0), row + size), slice(max(column, 0), column + size)
        window = x[0, c, rows, columns]
        padded = [
            min(start + size, side + padding) - start
            for start, side in zip((row, column), sides, strict=True)
        ]
        assert largest[0, c, i, j] == window.max()
        for counts, found in means.items():
            values = padded[0] * padded[1] if counts else window.size
            assert found[0, c, i, j] == pytest.approx(window.sum() / values, abs=1e-12)


@given(
    size=st.integers(1, 5),
    stride=st.integers(1, 4),
    sides=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
)
def test_the_pads_of_a_pool_complete_its_windows(size, stride, sides, data):
    padding, ceil = data.draw(st.integers(0, size // 2)), data.draw(st.booleans())
    assume(min(sides) + 2 * padding >= size)
    pool = MaxPool2d(size, stride, padding, ceil_mode=ceil)
    pads = pool.completing_ends(sides)
    padded = [side + before + after for side, (before, after) in zip(sides, pads, strict=True)]
    assert all(before == padding and padding <= after < size for before, after in pads) or size == 1
    assert MaxPool2d(size, stride).output_shape([(1, *padded)]) == pool.output_shape([(1, *sides)])


@given(rng=generators, size=st.integers(2, 5), stride=st.integers(1, 3), length=st.integers(3, 9))
def test_a_signal_is_pooled_with_padding_as_an_image_whose_rows_are_equal(
    rng, size, stride, length
):
    x, padding = rng.normal(size=(2, 3, length)), size // 2
    image = np.repeat(x[:, :, None], size, axis=2)
    for one, two in (
        (MaxPool1d(size, stride, padding), MaxPool2d(size, stride, padding)),
        (AvgPool1d(size, stride, padding), AvgPool2d(size, stride, padding)),
    ):
        expected = two.forward({}, [image])[:, :, 0]
        np.testing.assert_allclose(one.forward({}, [x]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_a_pool_of_three_with_padding_keeps_the_sides_and_is_passed_by_a_skip(kind):
    shape = (2, 7, 6)[: 1 + kind.spatial_axes]
    assert kind(3, 1, 1).output_shape([shape]) == shape
    assert kind(3, 1, 1).shortcut([shape]) is None
    assert kind(3, 2, 1).shortcut([shape]) == kind(3, 2, 1)


@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_padding_beyond_half_a_window_is_refused(kind):
    with pytest.raises(InvalidArchitecture, match="padding 2; expected 0 to 1, half its size"):
        kind(3, 1, 2)


@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_an_input_smaller_than_a_window_has_one_incomplete_window(kind):
    shape = (2, 2, 3)[: 1 + kind.spatial_axes]
    assert kind(4, 3, ceil_mode=True).output_shape([shape]) == (2, 1, 1)[: 1 + kind.spatial_axes]
    with pytest.raises(InvalidArchitecture, match="expected at least 3"):
        kind(4, 2, ceil_mode=True).output_shape([shape])


@given(
    rng=generators,
    size=st.integers(2, 4),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    data=st.data(),
)
def test_pads_give_each_end_its_own_padding(rng, size, stride, sides, data):
    """Against windows that are cut out of the values one by one."""
    pads = data.draw(st.tuples(*[st.integers(0, size - 1)] * 4))
    assume(len(set(pads)) > 1)
    ends = [*zip(pads[:2], pads[2:], strict=True)]
    assume(all(side + sum(end) >= size for side, end in zip(sides, ends, strict=True)))
    x = rng.normal(size=(1, 1, *sides)) - 3  # padding by zeros would be the largest
    largest = MaxPool2d(size, stride, pads=pads).forward({}, [x])
    present = AvgPool2d(size, stride, pads=pads).forward({}, [x])
    counted = AvgPool2d(size, stride, count_include_pad=True, pads=pads).forward({}, [x])
    corners = [
        range(-before, side + after - size + 1, stride)
        for side, (before, after) in zip(sides, ends, strict=True)
    ]
    assert largest.shape == present.shape == counted.shape == (1, 1, *map(len, corners))
    for (i, row), (j, column) in product(*map(enumerate, corners)):
        window = x[0, 0, max(row, 0) : row + size, max(column, 0) : column + size]
        assert largest[0, 0, i, j] == window.max()
        assert present[0, 0, i, j] == pytest.approx(window.mean(), abs=1e-12)
        assert counted[0, 0, i, j] == pytest.approx(window.sum() / size**2, abs=1e-12)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"pads": (1, 1, 1, 1)}, r"pads \[1, 1, 1, 1\], padding 0"),
        ({"pads": (0, 0, 0, 0)}, "padding instead where they are equal"),
        (
            {"pads": (0, 0, 1, 1), "padding": 1},
            "and ceil_mode False; expected pads alone",
        ),
        ({"pads": (0, 0, 1, 1), "ceil_mode": True}, "ceil_mode True; expected pads alone"),
        ({"pads": (0, 0, 1, 3)}, "expected none, or 4 integers from 0 to 2"),
    ],
)
def test_pads_that_a_pool_cannot_have_are_refused(fields, found):
    for kind in (MaxPool2d, AvgPool2d):
        with pytest.raises(InvalidArchitecture, match=found):
            kind(3, 2, **fields)


@given(
    rng=generators,
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    data=st.data(),
)
def test_each_axis_may_have_its_own_size_stride_and_padding(rng, size, stride, sides, data):
    """Against windows that are cut out of the values one by one."""
    pads = tuple(data.draw(st.integers(0, one - 1)) for one in (*size, *size))
    ends = [*zip(pads[:2], pads[2:], strict=True)]
    axes = [*zip(sides, size, stride, ends, strict=True)]
    assume(all(side + sum(end) >= one for side, one, _, end in axes))
    fields = {"pads": pads}
    if len(set(pads)) == 1 and pads[0] <= min(size) // 2:
        fields = {"padding": pads[0]}
    counts = {"count_include_pad": True} if any(pads) else {}
    x = rng.normal(size=(1, 1, *sides)) - 3  # padding by zeros would be the largest
    lengths = one_or_each(size), one_or_each(stride)
    largest = MaxPool2d(*lengths, **fields).forward({}, [x])
    present = AvgPool2d(*lengths, **fields).forward({}, [x])
    counted = AvgPool2d(*lengths, **fields, **counts).forward({}, [x])
    corners = [
        range(-before, side + after - one + 1, step) for side, one, step, (before, after) in axes
    ]
    assert largest.shape == present.shape == counted.shape == (1, 1, *map(len, corners))
    for (i, row), (j, column) in product(*map(enumerate, corners)):
        window = x[0, 0, max(row, 0) : row + size[0], max(column, 0) : column + size[1]]
        assert largest[0, 0, i, j] == window.max()
        assert present[0, 0, i, j] == pytest.approx(window.mean(), abs=1e-12)
        assert counted[0, 0, i, j] == pytest.approx(window.sum() / (size[0] * size[1]), abs=1e-12)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: MaxPool2d((2, 2)), r"has size \[2, 2\]; expected an integer of at least 1, or 2"),
        (lambda: MaxPool2d((2, 0)), "or 2 that differ: one for each axis"),
        (lambda: MaxPool2d((2, True)), r"has size \[2, True\]"),
        (lambda: MaxPool2d(2, (1, 2, 3)), r"has stride \[1, 2, 3\]"),
        (lambda: MaxPool2d(2, [1, 2]), r"has stride \[1, 2\]"),
        (lambda: MaxPool1d((2, 3)), r"has size \[2, 3\]; expected an integer of at least 1$"),
        (lambda: MaxPool1d((2,)), r"has size \[2\]; expected an integer of at least 1$"),
        (lambda: MaxPool2d((1, 3), 1, 1), "of size 1 × 3 has padding 1; expected 0 to 0"),
        (lambda: MaxPool2d((2, 3), pads=(0, 0, 2, 0)), "4 integers from 0 to 1 and 2: those"),
        (lambda: MaxPool2d((2, 3), pads=(1, 1, 1, 1)), "padding instead where they are equal"),
    ],
)
def test_lengths_along_the_axes_that_a_pool_cannot_have_are_refused(make, found):
    with pytest.raises(InvalidArchitecture, match=found):
        make()


def test_pads_larger_than_half_a_window_may_be_equal():
    assert MaxPool2d(3, 1, pads=(2, 2, 2, 2)).output_shape([(1, 4, 4)]) == (1, 6, 6)


def test_padding_that_is_not_there_cannot_be_counted():
    with pytest.raises(InvalidArchitecture, match="expected a padding of at least 1"):
        AvgPool2d(3, 1, 0, True)


@given(
    rng=generators,
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)).map(one_or_each),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)).map(one_or_each),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
)
def test_a_dilated_max_pool_takes_the_largest_of_every_nth_value(
    rng, size, dilation, stride, sides, data
):
    sizes, steps = along_axes(size, 2), along_axes(dilation, 2)
    spans = [(one - 1) * step + 1 for one, step in zip(sizes, steps, strict=True)]
    pads = tuple(data.draw(st.integers(0, span - 1)) for span in (*spans, *spans))
    pads = () if len(set(pads)) == 1 else pads
    ends = pads or (0, 0, 0, 0)
    lengths = [side + ends[axis] + ends[2 + axis] for axis, side in enumerate(sides)]
    assume(all(length >= span for length, span in zip(lengths, spans, strict=True)))
    x = rng.normal(size=(1, 2, *sides)) - 3
    pool = MaxPool2d(size, stride, pads=pads, dilation=dilation)
    if pads and any(side < step for side, step in zip(sides, steps, strict=True)):
        with pytest.raises(InvalidArchitecture, match="each window has a value"):
            pool.forward({}, [x])
        return
    largest = pool.forward({}, [x])
    starts = [
        range(-before, length - before - span + 1, stride)
        for before, length, span in zip(ends, lengths, spans, strict=False)
    ]
    assert largest.shape == (1, 2, *map(len, starts))
    for c, (i, row), (j, column) in product((0, 1), *map(enumerate, starts)):
        window = [
            x[0, c, row + a * steps[0], column + b * steps[1]]
            for a, b in product(*map(range, sizes))
            if 0 <= row + a * steps[0] < sides[0] and 0 <= column + b * steps[1] < sides[1]
        ]
        assert largest[0, c, i, j] == max(window)
