"""Fronts and hypervolumes, against slow and simple definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.search.pareto import Front, Reference, hypervolume, non_dominated

# Few distinct numbers, exact in binary: ties come often and sums do not round.
coordinates = st.integers(-8, 8).map(lambda number: number / 4)
points = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=12)
references = st.builds(Reference, coordinates, coordinates)


def dominates(one, other):
    """Nowhere worse, somewhere better; points are (value, cost)."""
    return one[0] >= other[0] and one[1] <= other[1] and one != other


def area(some, reference):
    """The dominated cells of a grid through all coordinates."""
    values = sorted({value for value, _ in some} | {reference.value})
    costs = sorted({cost for _, cost in some} | {reference.log_cost})
    area = 0.0
    for low, high in itertools.pairwise(values):
        for left, right in itertools.pairwise(costs):
            inside = low >= reference.value and right <= reference.log_cost
            if inside and any(value >= high and cost <= left for value, cost in some):
                area += (high - low) * (right - left)
    return area


def front_of(some, reference=None):
    return Front.of(*zip(*some, strict=True), reference)


@given(points)
def test_the_front_has_the_points_that_no_other_dominates(some):
    found = non_dominated(*zip(*some, strict=True))

    expected = [
        index
        for index, point in enumerate(some)
        if not any(dominates(other, point) for other in some) and point not in some[:index]
    ]
    assert sorted(found) == expected
    assert [some[index][1] for index in found] == sorted(some[index][1] for index in found)


@given(points, references)
def test_the_hypervolume_is_the_area_of_dominated_cells(some, reference):
    values, costs = zip(*some, strict=True)
    assert hypervolume(values, costs, reference) == area(some, reference)


@given(points, references, coordinates, coordinates)
def test_the_gain_of_a_point_is_the_sum_over_segments(some, reference, value, cost):
    front = front_of(some, reference)

    gain = float(front.widths(np.array([cost]))[0] @ np.maximum(value - front.levels, 0))

    assert gain == area([*some, (value, cost)], reference) - area(some, reference)
    assert front.with_point(value, cost).hypervolume == pytest.approx(front.hypervolume + gain)


def test_no_points_dominate_nothing():
    assert hypervolume([], [], Reference(0.0, 1.0)) == 0


@given(points)
def test_the_reference_point_is_worse_than_the_front_and_leaves_room_for_growth(some):
    front = front_of(some)

    assert front.reference.value <= front.values[0]
    assert front.reference.log_cost >= max(cost for _, cost in some) + math.log(2)
    assert front.best == max(value for value, _ in some)


def test_dominated_points_extend_the_reference_in_cost_but_not_in_value():
    alone = front_of([(0.5, 0.0), (0.75, 1.0)]).reference
    with_failures = front_of([(0.5, 0.0), (0.75, 1.0), (0.0, 0.5), (0.25, 4.0)]).reference

    assert with_failures.value == alone.value
    assert with_failures.log_cost > alone.log_cost + 2.9


def test_the_reference_point_does_not_move_with_a_predicted_point():
    front = front_of([(0.5, 0.0), (0.75, 1.0)])
    assert front.with_point(1.0, 2.0).reference == front.reference
