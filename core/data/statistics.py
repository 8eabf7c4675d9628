"""Statistics of the channels of examples, computed block by block without a copy of the data.

Notation
    x     examples of any real type, shape (n, channels, ...)
    unit  the power of two above a channel's range: dividing by it is exact, shape (channels,)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from core.data.scratch import OnBlock, nothing

Vector = NDArray[np.float64]  # shape: (channels,)
Indices = NDArray[np.intp]

_BLOCK = 1 << 16  # values that fit into the cache of a processor
_FEW = 256  # channels of bytes whose values are counted: the counts fit into the cache as well
_ROUNDING = 4  # in units in the last place: a channel whose range is no larger is constant
_LEAST_RANGE = 1e-290  # so is one with a smaller range: it could not be divided by
_LOST = 1e-4  # of a standard deviation: a rounding error that does no harm
_FLOAT32_ERROR = 2.0**-24, 2.0**-150  # of rounding to float32: relative, and near zero
_FLOAT32_SIZES = 1e-37, 1e37  # of standard deviations and values that float32 can compute with
_NAMED = 10  # constant channels, at most
_DIGITS = 6  # of the ends of a range, where they are enough to tell them apart
_MOST_DIGITS = 17  # of a float64
_SPREAD_FIGURES = 3  # of a standard deviation
_MOST_PLACES, _TOO_LARGE = 9, 1e12  # beyond which numbers are written with exponents


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Mean, standard deviation and range of each channel, or of each feature of vectors."""

    mean: Vector
    std: Vector  # 0 where the channel is constant
    low: Vector
    high: Vector

    @classmethod
    def of(
        cls, x: NDArray[Any], indices: Indices | None = None, on_block: OnBlock = nothing
    ) -> Self:
        """The statistics of the examples at these indices, by default of all.

        They are computed in float64 and relative to each channel's range, so that they are precise
        for tiny values, for huge ones, and for small differences of large ones.
        """
        if x.dtype == np.uint8 and x.shape[1] <= _FEW:
            return cls._of_bytes(x, indices, on_block)
        low, high = _range(x, indices, on_block)
        exponent = np.clip(np.frexp(high - low)[1], -1000, 1000)
        unit, per_unit = np.exp2(exponent), np.exp2(-exponent)
        mean = low + unit * _mean(
            x, indices, on_block, lambda block: _relative(block, low, per_unit)
        )
        std = unit * np.sqrt(
            _mean(x, indices, on_block, lambda block: np.square(_relative(block, mean, per_unit)))
        )
        is_constant = varies_by_rounding(low, high, x.dtype)
        return cls(np.where(is_constant, low, mean), np.where(is_constant, 0.0, std), low, high)

    @classmethod
    def _of_bytes(cls, x: NDArray[np.uint8], indices: Indices | None, on_block: OnBlock) -> Self:
        """The statistics of bytes, by how often each of the 256 values occurs: one fast pass."""
        counts = _counts(x, indices, on_block)
        values, total = np.arange(256.0), counts.sum(axis=1)
        mean = counts @ values / total
        deviations = np.square(values - mean[:, None])
        std = np.sqrt((counts * deviations).sum(axis=1) / total)
        occurs = counts > 0
        low, high = occurs.argmax(axis=1), 255 - occurs[:, ::-1].argmax(axis=1)
        return cls(mean, std, low.astype(np.float64), high.astype(np.float64))

    @property
    def constant(self) -> tuple[int, ...]:
        """The indices of the channels that do not vary."""
        return tuple(np.flatnonzero(self.std == 0).tolist())

    @property
    def fit_float32(self) -> bool:
        """Whether every channel keeps its differences in float32."""
        size = np.maximum(-self.low, self.high)
        error = np.maximum(_FLOAT32_ERROR[0] * size, _FLOAT32_ERROR[1])
        least, most = _FLOAT32_SIZES
        is_precise = (error <= _LOST * self.std) & (self.std >= least) | (self.std == 0)
        return bool((is_precise & (size <= most)).all())


def varies_by_rounding(low: Vector, high: Vector, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Which channels count as constant: their values, of this type, are equal but for rounding."""
    rounding = _ROUNDING * _precision(dtype) * np.maximum(-low, high)
    return np.asarray(high - low <= np.maximum(rounding, _LEAST_RANGE))


def constant_in_words(constant: Sequence[int], shape: Sequence[int]) -> str:
    """Which channels or features no network can learn from; empty where there are none.

    `shape` is that of an example.
    """
    if not constant:
        return ""
    noun = "feature" if len(shape) == 1 else "channel"
    named = ", ".join(str(channel) for channel in constant[:_NAMED])
    more = f" and {len(constant) - _NAMED} more" if len(constant) > _NAMED else ""
    return (
        f"{noun}{'s' * (len(constant) > 1)} {named}{more} of {shape[0]}, counted from 0, cannot be "
        "learned from: the same value in all training examples"
    )


def range_in_words(low: float, high: float) -> str:
    """The two ends of a range, with as many digits as tell them apart."""
    digits = _DIGITS
    while low != high and digits < _MOST_DIGITS and f"{low:.{digits}g}" == f"{high:.{digits}g}":
        digits += 1
    if digits > _DIGITS:  # the one that differs may be rounded
        digits = min(digits + 2, _MOST_DIGITS)
    return f"{low:.{digits}g} to {high:.{digits}g}"


def number_in_words(value: float, std: float) -> str:
    """A number to the third figure of its standard deviation: "152.1" where that is 77.01.

    So all facts about one target end at the same decimal place; zeros at the end are left out.
    """
    places = _SPREAD_FIGURES - 1 - floor(log10(std)) if std > 0 else _DIGITS
    if places > _MOST_PLACES or abs(value) >= _TOO_LARGE:
        return f"{value:.{_DIGITS}g}"
    words = f"{round(value, max(0, places)) + 0.0:.{max(0, places)}f}"  # + 0.0: no "-0"
    return words.rstrip("0").rstrip(".") if "." in words else words


def _range(x: NDArray[Any], indices: Indices | None, on_block: OnBlock) -> tuple[Vector, Vector]:
    """The smallest and the largest value of each channel."""
    low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for block in _blocks(x, indices, on_block):
        low = np.minimum(low, block.min(axis=(0, 2)))
        high = np.maximum(high, block.max(axis=(0, 2)))
    return low, high


def _counts(x: NDArray[np.uint8], indices: Indices | None, on_block: OnBlock) -> NDArray[np.int64]:
    """How often each byte occurs in each channel, shape (channels, 256)."""
    counts = np.zeros((x.shape[1], 256), np.int64)
    first = 256 * np.arange(x.shape[1], dtype=np.int32)[:, None]  # of the bins of each channel
    for block in _blocks(x, indices, on_block):
        bins = np.bincount((block + first).ravel(), minlength=counts.size)
        counts += bins.reshape(counts.shape)
    return counts


def _mean(
    x: NDArray[Any],
    indices: Indices | None,
    on_block: OnBlock,
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Vector:
    """The mean over each channel of a function of blocks."""
    total, count = np.zeros(x.shape[1]), 0
    for block in _blocks(x, indices, on_block):
        total += of(block.astype(np.float64)).sum(axis=(0, 2))
        count += len(block) * block.shape[2]
    return total / count


def _blocks(x: NDArray[Any], indices: Indices | None, on_block: OnBlock) -> Iterator[NDArray[Any]]:
    """The examples, few at a time, as (n, channels, values)."""
    step = max(1, _BLOCK // x[0].size)
    for start in range(0, len(x) if indices is None else len(indices), step):
        part = slice(start, start + step)
        block = x[part] if indices is None else x[indices[part]]
        yield block.reshape(*block.shape[:2], -1)
        on_block()


def _relative(block: NDArray[np.float64], origin: Vector, per_unit: Vector) -> NDArray[np.float64]:
    """The values of a block as their distances from an origin, in units."""
    return np.asarray((block - origin[:, None]) * per_unit[:, None])


def _precision(dtype: np.dtype[Any]) -> float:
    """The relative distance of neighbouring numbers of this type; integers become float64."""
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
