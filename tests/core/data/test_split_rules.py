"""Splits that keep groups apart, and splits by time, against the plainest way to check them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.group_split import group_split
from core.data.split_rule import SplitRule
from core.data.time_split import time_split
from core.protocol.contracts.datasets import SplitKind

rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=2, max_size=120)
fractions = st.floats(0.05, 0.5)
seeds = st.integers(0, 2**31 - 1)


def columns(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    y, keys = np.array(found).T
    return y, keys * 7 - 30  # any numbers may stand for groups and times


@settings(max_examples=60)
@given(found=rows, fraction=fractions, seed=seeds)
def test_no_group_is_on_both_sides(
    found: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    y, groups = columns(found)

    train, held = group_split(y, groups, fraction, seed)

    assert sorted([*train, *held]) == list(range(len(y)))
    assert not set(groups[train]) & set(groups[held])
    assert len(train)
    assert bool(len(held)) == (len(set(groups)) > 1)
    needed = {  # groups that no other group could stand in for, with some of their classes
        group for group in set(groups) if set(y[groups == group]) - set(y[groups != group])
    }
    if needed != set(groups):
        assert set(y[train]) == set(y)
    np.testing.assert_array_equal(held, group_split(y, groups, fraction, seed)[1])


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=30), fraction=fractions, seed=seeds)
def test_a_split_by_groups_is_at_most_half_a_group_from_its_size(
    sizes: list[int], fraction: float, seed: int
) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)

    _, held = group_split(np.zeros(len(groups)), groups, fraction, seed)

    exact = fraction * len(groups)
    assert abs(len(held) - exact) <= max(max(sizes) / 2, min(sizes) - exact) + 1e-9


def test_classes_keep_their_shares_where_groups_are_small_and_the_seed_matters() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(4, 2_000, p=[0.5, 0.3, 0.15, 0.05])
    groups = rng.integers(0, 400, len(y))

    _, held = group_split(y, groups, 0.2, seed=1)

    shares = np.bincount(y[held]) / np.bincount(y)
    np.testing.assert_allclose(shares, 0.2, atol=0.05)
    assert not np.array_equal(held, group_split(y, groups, 0.2, seed=2)[1])


@settings(max_examples=60)
@given(times=st.lists(st.integers(-5, 12), min_size=1, max_size=60), fraction=fractions)
def test_the_latest_are_held_out_at_the_nearest_possible_size(
    times: list[int], fraction: float
) -> None:
    moments = np.array(times)

    train, held = time_split(moments, fraction)

    assert sorted([*train, *held]) == list(range(len(times)))
    if len(set(times)) == 1:
        assert not len(held)
        return
    assert max(moments[train]) < min(moments[held])
    possible = [sum(time >= first for time in times) for first in sorted(set(times))[1:]]
    exact = fraction * len(times)
    assert abs(len(held) - exact) == min(abs(size - exact) for size in possible)


@pytest.mark.parametrize("kind", [SplitKind.GIVEN, SplitKind.GROUP, SplitKind.TIME])
@settings(max_examples=40)
@given(found=rows, fraction=fractions, seed=seeds)
def test_a_final_fit_holds_out_a_part_of_the_validation_split_by_the_same_rule(
    kind: SplitKind, found: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    y, keys = columns(found)
    if kind is SplitKind.GIVEN:
        keys = (keys > 0).astype(np.int64)
    if len(set(keys)) < 2:
        return
    rule = SplitRule(kind, keys)

    train, validation = rule.validation(y, fraction, seed)
    final, held = rule.final(y, validation, 0.25, seed)

    assert len(train)
    assert len(held)
    assert sorted([*train, *validation]) == sorted([*final, *held]) == list(range(len(y)))
    assert set(held) <= set(validation)
    if kind is SplitKind.GIVEN:
        np.testing.assert_array_equal(validation, np.flatnonzero(keys == 1))
    if kind is SplitKind.GROUP:
        assert not set(keys[final]) & set(keys[held])
    if kind is SplitKind.TIME:
        assert max(keys[final]) < min(keys[held])
