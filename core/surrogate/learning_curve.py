"""What a value measured early in a training would have become: a power law for all networks.

Notation
    s      share of its training after which a value was measured, in (0, 1]
    t      -log s
    y, f   the value after that share, and at the end
    κ      how fast curves flatten; κ = 0: values rise in proportion to -t
    c      how fast values rise at the end, in the unit of the metric for each unit of t; c ≥ 0
    m      the median of values, each counted s² times: where trainings end

    y(s) = m + s^-κ (f - m) - c (s^-κ - 1) / κ

so that early in a training networks are lower, and further apart if κ > 0: errors fall as powers of
the training (Hestness et al. 2017, arXiv:1712.00409; Domhan et al. 2015 for single curves). Hence

    f = m + e^(-κ t) (y - m) + c r,  r = (1 - e^(-κ t)) / κ

κ and c are the mode of their posterior density under a regression (errors by Student's law)
of e^(-κ t) (y - m) on r and on plain sizes of the networks: in a search later networks are larger
and trained for longer, and sizes tell the one from the other. Best of all do several looks at one
network: it has a term of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import exprel

from core.similarity.encoding import Floats

_RATES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # κ that are compared
_RATE, _RATE_SPREAD = 0.5, 0.5  # prior of κ
_RISE = 1.0  # prior mean and deviation of c, in standard deviations of values
_OF_FACTS = 2.0  # prior deviation of what a fact of a network brings, in those of errors
_MOST_REPEATED = 40  # networks, seen more than once, whose own values are told from the rise
_FREEDOM = 4.0  # degrees of Student's law
_STEPS = 12  # of its fit
_LEAST = 1e-9  # standard deviation of errors, in that of the values


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """How values rise to the end of a training."""

    center: float = 0.0  # m
    rate: float = 0.0  # κ
    rise: float = 0.0  # c

    @classmethod
    def of(
        cls, values: Floats, late: Floats, sizes: Floats, owners: Sequence[str], first_scale: float
    ) -> Self:
        """That of observed values at t: (n,), (n,), (n, k); flat where all trainings had ended.

        `owners` name the networks; `first_scale` is the unit of c until two values differ.
        """
        if not late.any():
            return cls()
        center, spread = _median(values, np.exp(-2 * late)), float(values.std())
        if spread <= 1e-12 * (1 + abs(center)):
            return cls(center, _RATE, first_scale)
        centred = (sizes - sizes.mean(axis=0)) / np.maximum(sizes.std(axis=0), 1e-9)
        facts = np.concatenate([centred, _repeated(owners)], axis=1)
        found = [_fit(values - center, late, facts, rate, spread) for rate in _RATES]
        best = int(np.argmax([density for density, _ in found]))
        return cls(center, _RATES[best], found[best][1])

    def remaining(self, late: Floats) -> Floats:
        """r: how much of the rise is still to come, as t is for κ = 0."""
        return late * exprel(-self.rate * late)

    def slope(self, late: Floats) -> Floats:
        """df / dy"""
        return np.exp(-self.rate * late)

    def at_end(self, values: Floats, late: Floats) -> Floats:
        """f of values measured at t: (n,), (n,) -> (n,)"""
        risen = self.center + self.slope(late) * (values - self.center)
        return np.where(late > 0, risen + self.rise * self.remaining(late), values)


def _median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order[int(np.searchsorted(reached, reached[-1] / 2))]])


def _repeated(owners: Sequence[str]) -> Floats:
    """A column for each of the last networks with several looks: 1 where a look is its."""
    several = [name for name, count in Counter(owners).items() if count > 1][-_MOST_REPEATED:]
    return np.array([[float(one == name) for name in several] for one in owners])


def _fit(
    values: Floats, late: Floats, facts: Floats, rate: float, spread: float
) -> tuple[float, float]:
    """The log density of κ = rate and of what it leaves to explain, and c."""
    curve = LearningCurve(0.0, rate)
    y = curve.slope(late) * values
    X = np.column_stack([-curve.remaining(late), facts, np.ones(len(y))])
    penalty = np.diag([0.0, *np.full(facts.shape[1], _OF_FACTS**-2), 1e-9])
    target = np.zeros(X.shape[1])
    weights, scale = np.ones(len(y)), max(float(y.std()), _LEAST * spread)
    for _ in range(_STEPS):  # the EM algorithm (Lange et al. 1989)
        penalty[0, 0] = (scale / (_RISE * spread)) ** 2
        target[0] = penalty[0, 0] * _RISE * spread
        weighted = X.T * weights
        found = np.linalg.solve(weighted @ X + penalty, weighted @ y + target)
        errors = y - X @ found
        weights = (_FREEDOM + 1) / (_FREEDOM + (errors / scale) ** 2)
        scale = max(float(np.sqrt(np.mean(weights * errors**2))), _LEAST * spread)
    density = -(_FREEDOM + 1) / 2 * np.log1p((errors / scale) ** 2 / _FREEDOM).sum()
    density -= len(y) * np.log(scale) + rate * late.sum() + ((rate - _RATE) / _RATE_SPREAD) ** 2 / 2
    return float(density), max(0.0, float(found[0]))
