"""A metric with its standard error, by the delta method.

Notation
    n      examples
    θ      the metric, a smooth function of means over the examples
    ψ      influence of each example: by how much n θ changes with its weight; shape (n,)
    σ      sqrt(Σ ψ²) / n, the standard error (Efron 1982, "The Jackknife, the Bootstrap and Other
           Resampling Plans", ch. 6: the infinitesimal jackknife)

σ is exact for means and asymptotically right for ratios of means and for rank statistics, where it
is that of DeLong et al. 1988. A few examples that are all right would have σ = 0, as if nothing
were left to chance: σ is at least what one wrong example would change.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric, and its standard error, which is above zero."""

    value: float
    std: float

    @classmethod
    def of(cls, value: float, influence: Floats, one_wrong: float) -> "Estimate":
        """From the influences of the examples; `one_wrong` is what one wrong example changes."""
        n = len(influence)
        return cls(value, max(float(np.linalg.norm(influence)) / n, one_wrong))

    @classmethod
    def of_mean(cls, losses: Floats, one_wrong: float) -> "Estimate":
        """The mean of a number of each example; `one_wrong` is that of a wrong one."""
        mean = float(losses.mean())
        return cls.of(mean, losses - mean, one_wrong / len(losses))


@dataclass(frozen=True, slots=True)
class LabelEstimates:
    """The same metric of several classes, whose mean is reported."""

    values: Floats  # (classes,)
    influences: Floats  # (classes, n)
    sizes: NDArray[Any]  # (classes,): one wrong example of a class changes its value by 1 / size

    def mean(self) -> Estimate:
        """The mean over the classes; the error includes that the same examples count for all."""
        wrong = float(np.linalg.norm(1 / np.maximum(self.sizes, 1))) / len(self.values)
        return Estimate.of(float(self.values.mean()), self.influences.mean(axis=0), wrong)


def recalls(right: NDArray[np.bool_], is_of: NDArray[np.bool_]) -> LabelEstimates:
    """The recall of each class that has examples: (n,), (classes, n)"""
    is_of = is_of[is_of.any(axis=1)]
    n, sizes = is_of.shape[1], is_of.sum(axis=1)
    values = (is_of & right).sum(axis=1) / sizes
    influences = is_of * (right - values[:, None]) * (n / sizes)[:, None]
    return LabelEstimates(values, influences, sizes)


def f1_scores(predicted: NDArray[np.bool_], actual: NDArray[np.bool_]) -> LabelEstimates:
    """The F1 score 2 TP / (2 TP + FP + FN) of each class that occurs: (classes, n), (classes, n)"""
    occurs = (predicted | actual).any(axis=1)
    predicted, actual = predicted[occurs], actual[occurs]
    n = actual.shape[1]
    twice = 2.0 * (predicted & actual)
    both = predicted.astype(np.float64) + actual
    totals = both.sum(axis=1)
    values = twice.sum(axis=1) / totals
    influences = (twice - values[:, None] * both) * (n / totals)[:, None]
    return LabelEstimates(values, influences, actual.sum(axis=1))


def areas(scores: NDArray[Any], actual: NDArray[np.bool_]) -> LabelEstimates:
    """The area under the ROC curve of each class with and without examples: (classes, n) twice.

    The share of pairs of an example of the class and another one that are in the right order; a tie
    counts half. The influences are the placements of DeLong et al. 1988.
    """
    known = actual.any(axis=1) & ~actual.all(axis=1)
    found = [_area(one, of) for one, of in zip(scores[known], actual[known], strict=True)]
    if not found:  # one class alone: no order is better than another
        return LabelEstimates(np.array([0.5]), np.zeros((1, scores.shape[1])), np.array([1]))
    values, influences = zip(*found, strict=True)
    # A wrong example is, on average, in the middle of those of the other kind.
    return LabelEstimates(np.array(values), np.array(influences), 2 * _rarer(actual[known]))


def _rarer(actual: NDArray[np.bool_]) -> NDArray[Any]:
    """The examples of each class, or the others where these are fewer."""
    sizes = actual.sum(axis=1)
    return np.asarray(np.minimum(sizes, actual.shape[1] - sizes))


def _area(scores: NDArray[Any], actual: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The area and the influences: (n,), (n,)"""
    n, inside, outside = len(scores), scores[actual], scores[~actual]
    above, below = _share_below(outside, inside), 1 - _share_below(inside, outside)
    value = float(above.mean())
    influence = np.empty(n)
    influence[actual] = (above - value) * n / len(inside)
    influence[~actual] = (below - value) * n / len(outside)
    return value, influence


def _share_below(known: NDArray[Any], asked: NDArray[Any]) -> Floats:
    """The share of the known numbers that are below each one asked for; equal ones count half."""
    ordered = np.sort(known)
    low = np.searchsorted(ordered, asked, side="left")
    high = np.searchsorted(ordered, asked, side="right")
    return np.asarray((low + high) / (2 * len(known)))


def average_precisions(scores: NDArray[Any], actual: NDArray[np.bool_]) -> LabelEstimates:
    """The average precision of each label that an example has: (labels, n), (labels, n)

    The mean, over the examples with the label, of the precision among those that score at least as
    high.
    """
    known = actual.any(axis=1)
    found = [_precision(one, of) for one, of in zip(scores[known], actual[known], strict=True)]
    if not found:  # there is nothing to find
        return LabelEstimates(np.zeros(1), np.zeros((1, scores.shape[1])), np.array([1]))
    values, influences = zip(*found, strict=True)
    return LabelEstimates(np.array(values), np.array(influences), 2 * actual[known].sum(axis=1))


def _precision(scores: NDArray[Any], actual: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The average precision and the influences: (n,), (n,)

    With N the examples that score at least as high as one with the label, and T those of them with
    the label, its precision is T / N; an example more among the N changes it by (y - T / N) / N.
    """
    n, inside = len(scores), np.sort(scores[actual])
    ordered = np.sort(scores)
    N = n - np.searchsorted(ordered, inside, side="left")
    T = len(inside) - np.searchsorted(inside, inside, side="left")
    precisions = T / N
    value = float(precisions.mean())
    # Of the examples with the label that score at most as high as each example:
    reached = np.searchsorted(inside, scores, side="right")
    of_own = np.concatenate([[0.0], np.cumsum(1 / N)])[reached]
    of_any = np.concatenate([[0.0], np.cumsum(T / N**2)])[reached]
    own = np.zeros(n)
    position = np.searchsorted(inside, scores[actual], side="left")
    own[actual] = precisions[position] - value
    return value, np.asarray((own + actual * of_own - of_any) * n / len(inside))
