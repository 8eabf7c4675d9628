"""Edit distances of token sequences: the definition, and windows that change nothing."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.morphisms import sample
from core.similarity import levenshtein
from core.similarity.edit_distance import Encoder, distance
from tests.strategies import SMALL, generators, morphed_architectures

WORDS = 5  # distinct tokens

words = st.lists(st.integers(0, WORDS - 1), max_size=12)
several = st.lists(words, min_size=1, max_size=2 * levenshtein.LANES + 1)


def metric(rng: np.random.Generator) -> np.ndarray:
    """Costs in [0, 1] that obey the triangle inequality: Soergel's between random numbers."""
    x = rng.uniform(0.01, 1, WORDS)
    return levenshtein.round_up(abs(x[:, None] - x) / np.maximum(x[:, None], x))


def tokens(sequences: list[list[int]]) -> list[np.ndarray]:
    return [np.array(one, dtype=np.int64) for one in sequences]


def naive(costs: np.ndarray, a: list[int], b: list[int]) -> float:
    """The least sum over all ways to drop, insert and substitute, from the front."""

    @cache
    def least(i: int, j: int) -> float:
        if i == len(a) or j == len(b):
            return float(len(a) - i + len(b) - j)
        return min(
            least(i + 1, j) + 1,
            least(i, j + 1) + 1,
            least(i + 1, j + 1) + float(costs[a[i], b[j]]),
        )

    return least(0, 0)


@given(first=several, second=several, rng=generators)
def test_distances_are_the_naive_ones_to_the_bit(first, second, rng):
    costs = metric(rng)
    found = levenshtein.distances(costs, tokens(first), levenshtein.to_lanes(tokens(second)))
    assert found.tolist() == [[naive(costs, a, b) for b in second] for a in first]


@st.composite
def families(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    """A sequence, and some that have other tokens in a window of it."""
    parent = draw(words)
    children = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(parent)))
        stop = draw(st.integers(start, len(parent)))
        children.append(parent[:start] + draw(words) + parent[stop:])
    return parent, children


@given(family=families(), second=several, rng=generators)
def test_windows_give_the_very_distances_of_a_recomputation(family, second, rng):
    costs = metric(rng)
    parent, children = family
    lanes = levenshtein.to_lanes(tokens(second))
    (parent_tokens,) = tokens([parent])
    found = levenshtein.child_distances(costs, parent_tokens, tokens(children), lanes)
    assert (found == levenshtein.distances(costs, tokens(children), lanes)).all()
    assert found.tolist() == [[naive(costs, a, b) for b in second] for a in children]


@settings(max_examples=30)
@given(parent=morphed_architectures(), others=st.lists(morphed_architectures(), min_size=1,
       max_size=3), rng=generators)  # fmt: skip
def test_children_by_a_morphism_are_where_a_recomputation_finds_them(parent, others, rng):
    encoder = Encoder()
    children = [child for _, child in sample(parent, SMALL, rng, 12)]
    (encoded,), landmarks = encoder.encode([parent]), encoder.encode(others)
    offspring = encoder.encode(children)
    found = encoder.child_layer_distances(encoded, offspring, landmarks)
    assert (found == encoder.layer_distances(offspring, landmarks)).all()
    for child, row in zip(children, found, strict=True):
        assert row.tolist() == [distance(child, other, skip_weight=0) for other in others]


def test_rounding_up_keeps_the_triangle_inequality():
    rng = np.random.default_rng(0)
    for costs in (metric(rng) for _ in range(50)):
        for i, j, k in permutations(range(WORDS), 3):
            assert costs[i, j] <= costs[i, k] + costs[k, j]


def test_rounding_up_is_less_than_a_grain():
    exact = np.array([0.0, 0.1, 1 / 3, 0.5, 1.0])
    rounded = levenshtein.round_up(exact)
    assert (rounded >= exact).all()
    assert rounded - exact == pytest.approx(np.zeros(5), abs=levenshtein.GRAIN)
    assert rounded[[0, 3, 4]].tolist() == [0.0, 0.5, 1.0]
