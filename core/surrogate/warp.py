"""A scale on which values are about normal: bad values are spread widely, good ones are not.

Notation
    y      values, larger is better
    m, s   their median, and the standard deviation of a normal law with their quartiles
    u      (y - m) / s
    g(u)   u from -1 on, else -1 - log(-u): a network that fails costs more, but not in proportion
    v      (g(u) - mean) / std of the observed values: what the Gaussian process sees

Without it a single network that did not train at all would set the scale (cf. Snelson, Rasmussen &
Ghahramani 2003, "Warped Gaussian processes"). Values above the median keep their proportions, so
that means, standard deviations and acquisitions there are those of the metric itself.
"""

from dataclasses import dataclass
from math import inf
from typing import Self

import numpy as np

from core.similarity.encoding import Floats

_ENOUGH = 8  # values, from which on quartiles are used
_QUARTILES = 1.349  # of a normal law, in standard deviations, from the first to the third
_KNEE = 1.0  # g is linear above -_KNEE
_STEEPEST = 50.0  # the inverse ends at e^50 units below the knee
_LEAST = 1e-12  # spread of values that differ


@dataclass(frozen=True, slots=True)
class Warp:
    """A monotone map from the unit of the metric to the scale of the process, and back."""

    center: float  # m
    unit: float  # s
    knee: float  # where g bends; infinite: nowhere
    mean: float  # of g(u)
    std: float

    @classmethod
    def linear(cls, center: float, scale: float) -> Self:
        """v = (y - center) / scale"""
        return cls(center, scale, inf, 0.0, 1.0)

    @classmethod
    def of(cls, values: Floats, first_scale: float, noise: float = 0.0) -> Self:
        """The map fitted to observed values, (n,); `first_scale` is their unit until two differ.

        `noise` is the values' known standard error: values that differ by less do not show how far
        those of other networks may lie, so a linear map has at least this unit.
        """
        if not len(values):
            return cls.linear(0.0, first_scale)
        spread = float(values.std())
        if spread <= _LEAST * (1 + abs(float(values.mean()))):
            return cls.linear(float(values.mean()), first_scale)
        low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        unit = (high - low) / _QUARTILES
        if len(values) < _ENOUGH or unit < 1e-3 * spread:
            return cls.linear(float(values.mean()), max(spread, noise))
        bent = cls(middle, unit, _KNEE, 0.0, 1.0)(values)
        return cls(middle, unit, _KNEE, float(bent.mean()), float(bent.std()))

    @property
    def scale(self) -> float:
        """One standard deviation of v in the unit of the values, where g is linear."""
        return self.unit * self.std

    def __call__(self, values: Floats) -> Floats:
        """v of values: (n,) -> (n,)"""
        u = (values - self.center) / self.unit
        below = np.maximum(-u - self.knee, 0.0)
        return np.asarray(
            (np.where(below > 0, -self.knee - np.log1p(below), u) - self.mean) / self.std
        )

    def inverse(self, v: Floats) -> Floats:
        """The values of v: (n,) -> (n,)"""
        g = v * self.std + self.mean
        below = np.maximum(-g - self.knee, 0.0)
        u = np.where(below > 0, -self.knee - np.expm1(np.minimum(below, _STEEPEST)), g)
        return np.asarray(self.center + self.unit * u)

    def slope(self, values: Floats) -> Floats:
        """dv / dy, per unit of the values: (n,) -> (n,)"""
        u = (values - self.center) / self.unit
        below = np.maximum(-u - self.knee, 0.0)
        return np.asarray(1 / (1 + below) / self.scale)
