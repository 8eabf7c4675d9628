"""Which children are stopped early."""

import pytest

from core.search.halving import least_at_rung


def test_of_few_children_only_those_are_stopped_that_are_worse_than_their_parent_beyond_noise():
    assert least_at_rung(0.9, 0.01, []) == pytest.approx(0.88)
    assert least_at_rung(0.9, 0.01, [0.05, 0.05]) == pytest.approx(0.88)


def test_later_children_must_be_among_the_better_half_by_their_gain():
    gains = [0.03, -0.02, 0.01]
    assert least_at_rung(0.9, 0.01, gains) == pytest.approx(0.91)
    assert least_at_rung(0.5, 0.01, gains) == pytest.approx(0.51)  # whatever the parent's value


def test_where_most_children_lose_noise_still_decides():
    assert least_at_rung(0.9, 0.01, [-0.3, -0.2, -0.1]) == pytest.approx(0.88)


def test_a_value_without_noise_may_not_fall_at_all():
    assert least_at_rung(0.9, 0.0, []) == 0.9
