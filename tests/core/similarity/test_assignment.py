"""The skip part of the distance: the cheapest assignment, as scipy finds it."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from benchmarks.histories import of_depth
from core.similarity.assignment import least_cost
from core.similarity.edit_distance import Encoder, Skip, skips


@pytest.mark.parametrize("levels", [3, 10**6])  # many ties, almost none
def test_assignments_are_the_cheapest(levels):
    rng = np.random.default_rng(levels)
    for _ in range(500):
        n = int(rng.integers(0, 8))
        costs = rng.integers(0, levels, (n, int(rng.integers(n, 9)))) / levels
        rows, columns = linear_sum_assignment(costs)
        assert least_cost(costs) == pytest.approx(costs[rows, columns].sum(), abs=1e-12)


def cost(s: Skip, t: Skip) -> float:
    if s[0] != t[0]:
        return 1.0
    changed = abs(s[1] - t[1]) + abs(s[2] - t[2])
    return changed / (max(s[1], t[1]) + max(s[2], t[2])) if changed else 0.0


def test_unassigned_skips_cost_one_each():
    encoder = Encoder()
    graphs = [*of_depth(20, 8), *of_depth(40, 8)]
    encoded = encoder.encode(graphs)
    found = encoder.skip_distances(encoded, encoded)
    assert (found == found.T).all()
    for i, one in enumerate(skips(graph) for graph in graphs):
        for j, other in enumerate(skips(graph) for graph in graphs):
            costs = np.array([[cost(s, t) for t in other] for s in one])
            rows, columns = linear_sum_assignment(costs)
            surplus = abs(len(one) - len(other))
            assert found[i, j] == pytest.approx(costs[rows, columns].sum() + surplus)
