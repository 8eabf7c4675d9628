"""A search with a cost finds a larger front than chance, or than the search by the metric."""

import numpy as np
import pytest

from benchmarks import landscape
from core.protocol.contracts.search_config import Cost
from core.search.pareto import Reference, hypervolume

REFERENCE = Reference(value=0.8, log_cost=float(np.log(1_000_000)))  # the landscape's floor


def volume(strategy: str, seed: int, evaluations: int, cost: Cost | None) -> float:
    """The area dominated by the true values of a search's trials, against parameters."""
    trials, true = landscape.trials_of(strategy, seed, evaluations, cost)
    costs = [float(np.log(trial.architecture.parameters)) for trial in trials]
    return hypervolume(true, costs, REFERENCE)


@pytest.mark.slow
def test_a_search_with_a_cost_dominates_more_than_chance_and_than_one_by_the_metric_alone():
    with_cost = [volume("bayesian", seed, 12, Cost.PARAMETERS) for seed in range(2)]
    by_chance = [volume("random", seed, 12, None) for seed in range(4)]

    assert min(with_cost) > 1.1 * max(by_chance)
    assert with_cost[0] > 1.1 * volume("bayesian", 0, 12, None)


def test_a_search_with_a_cost_dominates_more_than_chance():
    assert volume("bayesian", 0, 8, Cost.PARAMETERS) > volume("random", 0, 8, None)
