"""Statistics of channels are those of exact arithmetic, whatever the size of the values."""

import tracemalloc
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from core.data.statistics import (
    ChannelStatistics,
    constant_in_words,
    number_in_words,
    range_in_words,
)


def exact_mean_and_std(values: np.ndarray) -> tuple[float, float]:
    """By rational numbers; the root is taken of 2^2400 times the variance."""
    exact = [Fraction(value) for value in values.ravel().tolist()]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    return float(mean), float(Fraction(isqrt(int(variance * 2**2400)), 2**1200))


@pytest.mark.parametrize("scale", [1e-150, 1e-13, 1.0, 1e100])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e8])
def test_statistics_are_exact_at_any_scale_and_offset(scale: float, offset: float) -> None:
    x = (np.random.default_rng(0).normal(size=(40, 2, 3)) * [[[1.0], [1e-3]]] + offset) * scale

    found = ChannelStatistics.of(x)

    for channel in range(2):
        mean, std = exact_mean_and_std(x[:, channel])
        assert found.mean[channel] == pytest.approx(mean, rel=1e-14, abs=1e-14 * std)
        assert found.std[channel] == pytest.approx(std, rel=1e-9)
    np.testing.assert_array_equal(found.low, x.min(axis=(0, 2)))
    np.testing.assert_array_equal(found.high, x.max(axis=(0, 2)))
    assert found.constant == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64])
def test_statistics_of_some_examples_are_those_of_their_copy(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (5000, 3, 4, 5)).astype(dtype)
    chosen = np.sort(rng.permutation(5000)[:3000])

    found, expected = ChannelStatistics.of(x, chosen), ChannelStatistics.of(x[chosen])

    for name in ("mean", "std", "low", "high"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.mean, x[chosen].astype(np.float64).mean(axis=(0, 2, 3)))


@pytest.mark.parametrize("channels", [1, 3, 256, 257])
def test_statistics_of_bytes_are_those_of_other_integers(channels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(3, 251, (900, channels, 5)).astype(np.uint8)
    x[:, 0] = 7
    x[0, -1, 0], x[1, -1, 0] = 0, 255
    chosen = np.sort(rng.permutation(900)[:600])

    for indices in (None, chosen):
        found = ChannelStatistics.of(x, indices)
        expected = ChannelStatistics.of(x.astype(np.int64), indices)

        assert found.constant == expected.constant
        for name in ("mean", "std", "low", "high"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-300, 1e8 + 1 / 3, 1e38])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_channel_that_varies_by_rounding_alone_is_constant(value: float, dtype: type) -> None:
    x = np.full((30, 2), value, dtype)
    x[::2, 0] = np.nextafter(x[0, 0], dtype(np.inf))
    x[:, 1] = np.arange(30)

    found = ChannelStatistics.of(x)

    assert found.std[0] == 0 or abs(value) < 1e-40  # the smallest numbers are far apart
    assert found.mean[0] == pytest.approx(value, rel=1e-6)
    assert found.std[1] == pytest.approx(np.arange(30).std())


def test_a_constant_channel_is_exactly_its_mean() -> None:
    found = ChannelStatistics.of(np.full((977, 1, 3), 0.1))

    assert found.mean.tolist() == [0.1]
    assert found.constant == (0,)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_statistics_need_little_memory_beside_the_data(dtype: type) -> None:
    x = np.ones((500, 3, 64, 64), dtype)
    x[::2] = 3
    tracemalloc.start()

    ChannelStatistics.of(x, np.arange(0, 500, 3))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6  # bytes; x has 6 or 25 million


def test_constant_channels_are_named_few_of_many() -> None:
    assert constant_in_words(range(13), (14,)) == (
        "features 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more of 14, counted from 0, cannot be learned "
        "from: the same value in all training examples"
    )
    assert constant_in_words([2], (3, 8, 8)).startswith("channel 2 of 3, counted from 0, cannot")
    assert constant_in_words([], (3, 8, 8)) == ""


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 255.0, "0 to 255"),
        (7.0, 7.0, "7 to 7"),
        (99999996.31, 100000005.9, "99999996.31 to 100000005.9"),
        (-1e15 - 0.5, -1e15, "-1000000000000000.5 to -1000000000000000"),
        (1.0, float(np.nextafter(1, 2)), "1 to 1.0000000000000002"),
    ],
)
def test_the_ends_of_a_range_can_be_told_apart(low: float, high: float, words: str) -> None:
    assert range_in_words(low, high) == words


@pytest.mark.parametrize(
    ("value", "std", "words"),
    [
        (152.133484, 77.093005, "152.1"),
        (25.0, 77.093005, "25"),
        (1999.51234, 5.25, "1999.51"),
        (180921.19589, 79442.50288, "180921"),
        (-0.0004, 12.0, "0"),
        (1.23456e-7, 3.3e-8, "1.23456e-07"),
        (123456789012345.0, 1e9, "1.23457e+14"),
        (2.5, 0.0, "2.5"),
    ],
)
def test_a_number_has_the_figures_that_its_spread_gives_a_meaning(value, std, words) -> None:
    assert number_in_words(value, std) == words
