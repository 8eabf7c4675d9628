"""Extrapolating values that were measured early in a training: one power law for all networks.

Notation
    s      share of its training after which a value was measured, in (0, 1]
    t      -log s
    y, f   the value after that share, and at the end
    κ      how fast curves flatten; κ = 0: values rise in proportion to -t
    c      how fast values rise at the end, in the unit of the metric for each unit of t; c ≥ 0
    m      the median of values weighted by s²: about where trainings end
    r      how much of the rise is still to come; t for κ = 0

    y(s) = m + s^-κ (f - m) - c (s^-κ - 1) / κ

so that early in a training values are lower, and further apart if κ > 0: errors fall as powers of
the training (Hestness et al. 2017, arXiv:1712.00409; Domhan et al. 2015 for single curves). Hence

    f = m + e^(-κ t) (y - m) + c r,  r = (1 - e^(-κ t)) / κ

κ and c are the mode of their posterior density under a regression, with errors of Student's
distribution, of e^(-κ t) (y - m) on r and on sizes of the networks: in a search later networks are
larger and trained for longer, and sizes separate the two effects. Several values of one network
separate them best: such a network has a term of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import exprel

from core.similarity.encoding import Floats

_RATES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # values of κ that are compared
_RATE, _RATE_SPREAD = 0.5, 0.5  # prior mean and standard deviation of κ
_RISE = 1.0  # prior mean and standard deviation of c, in standard deviations of values
_FACT_SPREAD = 2.0  # prior standard deviation of a fact's coefficient, in that of errors
_MOST_REPEATED = 40  # networks with several values that get a term of their own
_FREEDOM = 4.0  # degrees of freedom of Student's distribution
_STEPS = 12  # of the EM algorithm
_LEAST = 1e-9  # standard deviation of errors, in that of the values


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """How values rise to the end of a training."""

    center: float = 0.0  # m
    rate: float = 0.0  # κ
    rise: float = 0.0  # c

    @classmethod
    def of(
        cls, values: Floats, t: Floats, sizes: Floats, owners: Sequence[str], first_scale: float
    ) -> Self:
        """The curve fitted to values at t: (n,), (n,), (n, k); flat where all trainings had ended.

        `owners` name the network of each value; `first_scale` is c until two values differ.
        """
        if not t.any():
            return cls()
        center, spread = _median(values, np.exp(-2 * t)), float(values.std())
        if spread <= 1e-12 * (1 + abs(center)):
            return cls(center, _RATE, first_scale)
        centred = (sizes - sizes.mean(axis=0)) / np.maximum(sizes.std(axis=0), 1e-9)
        facts = np.concatenate([centred, _repeated(owners)], axis=1)
        found = [_fit(values - center, t, facts, rate, spread) for rate in _RATES]
        best = int(np.argmax([density for density, _ in found]))
        return cls(center, _RATES[best], found[best][1])

    def remaining(self, t: Floats) -> Floats:
        """r, how much of the rise is still to come: (n,) -> (n,)"""
        return t * exprel(-self.rate * t)

    def slope(self, t: Floats) -> Floats:
        """df / dy at t: (n,) -> (n,)"""
        return np.exp(-self.rate * t)

    def at_end(self, values: Floats, t: Floats) -> Floats:
        """f of values measured at t: (n,), (n,) -> (n,)"""
        risen = self.center + self.slope(t) * (values - self.center)
        return np.where(t > 0, risen + self.rise * self.remaining(t), values)


def _median(values: Floats, weights: Floats) -> float:
    """The weighted median: (n,), (n,)"""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order[int(np.searchsorted(total, total[-1] / 2))]])


def _repeated(owners: Sequence[str]) -> Floats:
    """Indicator columns of the last networks with several values: (n, networks)"""
    several = [name for name, count in Counter(owners).items() if count > 1][-_MOST_REPEATED:]
    return np.array([[float(one == name) for name in several] for one in owners])


def _fit(
    values: Floats, t: Floats, facts: Floats, rate: float, spread: float
) -> tuple[float, float]:
    """The log posterior density of κ = rate, up to a constant, and the mode of c given it."""
    curve = LearningCurve(0.0, rate)
    y = curve.slope(t) * values
    X = np.column_stack([-curve.remaining(t), facts, np.ones(len(y))])
    penalty = np.diag([0.0, *np.full(facts.shape[1], _FACT_SPREAD**-2), 1e-9])
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
    density -= len(y) * np.log(scale) + rate * t.sum() + ((rate - _RATE) / _RATE_SPREAD) ** 2 / 2
    return float(density), max(0.0, float(found[0]))
