"""Fronts of a value, the larger the better, against a cost, the smaller the better.

Notation
    v, c   value, and logarithm of the cost: half the cost is worth the same wherever it begins
    m      points of a front, by ascending c and so by ascending v
    r      reference point (v_r, c_r): what is worse than it in value or in cost does not count
    HV     hypervolume: the area that the front dominates, up to r
    k      a segment: between two neighbours on the front the value to be beaten is the left one's
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MARGIN = 0.1  # of the extent of what is known, between its ends and r
LEAST_COST_MARGIN = math.log(2)  # so that there is always room for networks twice as expensive


@dataclass(frozen=True, slots=True)
class Reference:
    """What is worse than this in value or in cost does not count."""

    value: float
    log_cost: float


def non_dominated(values: ArrayLike, costs: ArrayLike) -> list[int]:
    """The places of points that no other beats, by ascending cost; of equal ones the first."""
    v, c = np.asarray(values, float), np.asarray(costs, float)
    found: list[int] = []
    for place in np.lexsort((-v, c)).tolist():  # stable: of equals the first comes first
        if not found or v[place] > v[found[-1]]:
            found.append(place)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """Points that none of them dominates, and the reference point of their hypervolume."""

    values: Floats  # (m,), ascending
    log_costs: Floats  # (m,), ascending
    reference: Reference

    @classmethod
    def of(
        cls, values: ArrayLike, log_costs: ArrayLike, reference: Reference | None = None
    ) -> "Front":
        """The front of some points, one at least; its reference point chosen unless given."""
        v, c = np.asarray(values, float), np.asarray(log_costs, float)
        places = non_dominated(v, c)
        return cls(v[places], c[places], reference or _beyond(v[places], c))

    @property
    def best(self) -> float:
        """The highest value, whatever it costs."""
        return float(self.values[-1])

    def with_point(self, value: float, log_cost: float) -> "Front":
        """The front with one more point, if nothing dominates it; its reference point as before."""
        values, costs = np.append(self.values, value), np.append(self.log_costs, log_cost)
        return Front.of(values, costs, self.reference)

    @property
    def hypervolume(self) -> float:
        """HV"""
        heights = np.maximum(self.levels - self.reference.value, 0.0)
        return float(heights[1:] @ self.widths(self.log_costs[:1])[0, 1:])

    @property
    def levels(self) -> Floats:
        """The value to be beaten in each segment, v_r in the first: (m + 1,)"""
        levels: Floats = np.maximum(np.append(-np.inf, self.values), self.reference.value)
        return levels

    def widths(self, log_costs: Floats) -> Floats:
        """How much of each segment lies between a cost and c_r: (n,) -> (n, m + 1)

        The hypervolume gained by v at c is the sum over k of width_k max(0, v - level_k).
        """
        ends = np.minimum(np.append(self.log_costs, np.inf), self.reference.log_cost)
        starts = np.append(-np.inf, ends[:-1])
        widths: Floats = np.maximum(ends - np.maximum(starts, log_costs[:, None]), 0.0)
        return widths


def _beyond(values: Floats, log_costs: Floats) -> Reference:
    """A margin below the worst value of a front and above the highest cost of all points.

    In value the front alone counts (cf. Ishibuchi et al. 2018, doi:10.1162/evco_a_00226), so that
    no failure makes room for bad networks. In cost all that was paid counts: right behind the
    front's costly end a better network would gain next to nothing by its value.
    """
    height, width = np.ptp(values), np.ptp(log_costs)
    return Reference(
        value=float(values[0] - MARGIN * height),
        log_cost=float(log_costs.max() + max(LEAST_COST_MARGIN, MARGIN * width)),
    )


def hypervolume(values: Sequence[float], log_costs: Sequence[float], reference: Reference) -> float:
    """The area between points and a reference point that some of them dominate."""
    return Front.of(values, log_costs, reference).hypervolume if len(values) else 0.0
