"""Pareto fronts of a value, to be maximised, against a cost, to be minimised.

Notation
    v, c   value, and logarithm of the cost: halving the cost is worth the same at any cost
    m      number of points of a front, by ascending c and so by ascending v
    r      reference point (v_r, c_r): points worse than it in value or in cost do not count
    HV     hypervolume: the area that the front dominates, up to r
    k      a segment between two neighbours on the front, where the left one's value is to be beaten
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MARGIN = 0.1  # of the extent of known points, between their ends and r
LEAST_COST_MARGIN = math.log(2)  # networks twice as expensive always count


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference point: points worse than it in value or in cost do not count."""

    value: float
    log_cost: float


def non_dominated(values: ArrayLike, costs: ArrayLike) -> list[int]:
    """Indices of the points that no other dominates, by ascending cost; of equal ones the first.

    (n,), (n,) -> up to n indices
    """
    v, c = np.asarray(values, float), np.asarray(costs, float)
    found: list[int] = []
    for index in np.lexsort((-v, c)).tolist():  # stable: of equal points the first comes first
        if not found or v[index] > v[found[-1]]:
            found.append(index)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """Points of which none dominates another, and the reference point of their hypervolume."""

    values: Floats  # (m,), ascending
    log_costs: Floats  # (m,), ascending
    reference: Reference

    @classmethod
    def of(
        cls, values: ArrayLike, log_costs: ArrayLike, reference: Reference | None = None
    ) -> "Front":
        """The front of n ≥ 1 points, (n,), (n,); its reference point is chosen unless given."""
        v, c = np.asarray(values, float), np.asarray(log_costs, float)
        indices = non_dominated(v, c)
        return cls(v[indices], c[indices], reference or _beyond(v[indices], c))

    @property
    def best(self) -> float:
        """The highest value, whatever it costs."""
        return float(self.values[-1])

    def with_point(self, value: float, log_cost: float) -> "Front":
        """The front with one more point, unless dominated; its reference point stays."""
        values, costs = np.append(self.values, value), np.append(self.log_costs, log_cost)
        return Front.of(values, costs, self.reference)

    @property
    def hypervolume(self) -> float:
        """HV, in the unit of the value times nats of cost."""
        heights = np.maximum(self.levels - self.reference.value, 0.0)
        return float(heights[1:] @ self.widths(self.log_costs[:1])[0, 1:])

    @property
    def levels(self) -> Floats:
        """The value to be beaten in each segment, v_r in the first; shape: (m + 1,)"""
        levels: Floats = np.maximum(np.append(-np.inf, self.values), self.reference.value)
        return levels

    def widths(self, log_costs: Floats) -> Floats:
        """The length of each segment between a cost and c_r: (n,) -> (n, m + 1)

        The hypervolume gained by v at c is the sum over k of width_k max(0, v - level_k).
        """
        ends = np.minimum(np.append(self.log_costs, np.inf), self.reference.log_cost)
        starts = np.append(-np.inf, ends[:-1])
        widths: Floats = np.maximum(ends - np.maximum(starts, log_costs[:, None]), 0.0)
        return widths


def _beyond(values: Floats, log_costs: Floats) -> Reference:
    """A margin below the worst value of a front and above the highest cost of all points.

    For the value only the front counts (cf. Ishibuchi et al. 2018, doi:10.1162/evco_a_00226), so
    that a failure does not make bad networks valuable. For the cost all points count: otherwise a
    better network just beyond the costly end of the front would gain next to nothing.
    """
    height, width = np.ptp(values), np.ptp(log_costs)
    return Reference(
        value=float(values[0] - MARGIN * height),
        log_cost=float(log_costs.max() + max(LEAST_COST_MARGIN, MARGIN * width)),
    )


def hypervolume(values: Sequence[float], log_costs: Sequence[float], reference: Reference) -> float:
    """The hypervolume of points; 0 without any: (n,), (n,) -> ()"""
    return Front.of(values, log_costs, reference).hypervolume if len(values) else 0.0
