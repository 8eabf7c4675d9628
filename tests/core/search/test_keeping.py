"""The least costly network that is as good as the root, within noise."""

import dataclasses
from uuid import UUID

import numpy as np
import pytest

from benchmarks.histories import SPEC
from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.layers import Dense, Flatten, Input, Output, ReLU
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import Cost, SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.states import TrialStatus
from core.search import defaults, keeping
from core.search.acquisition import log_expected_saving
from core.search.history import PastTrial
from core.search.step import Snapshot, step


def network(units: int, layers: int = 1) -> Architecture:
    hidden = [layer for _ in range(layers) for layer in (Dense(units), ReLU())]
    classifier = (Dense(SPEC.classes), Output())
    return chain(iter((Input(SPEC.input_shape), Flatten(), *hidden, *classifier)))


ROOT = network(64)


def trial(number: int, units: int, value: float | None, **fields) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=network(units),
        status=TrialStatus.COMPLETED,
        value=value,
        value_std=0.01,
        inheritable=True,
        **fields,
    )


def chosen(*trials: PastTrial, cost: Cost = Cost.PARAMETERS) -> int:
    kept = keeping.kept_value(trials, ROOT, cost, Bounds())
    assert kept is not None
    return keeping.chosen(trials, kept).number


def test_the_smallest_within_a_standard_error_of_the_root_is_chosen():
    trials = [trial(0, 64, 0.90), trial(1, 32, 0.95), trial(2, 16, 0.891), trial(3, 8, 0.889)]
    assert chosen(*trials) == 2
    assert chosen(*trials, cost=Cost.FLOPS) == 2
    assert chosen(*trials[:2], *trials[3:]) == 1


def test_the_root_is_chosen_where_nothing_smaller_keeps_its_value():
    assert chosen(trial(0, 64, 0.90), trial(1, 32, 0.88), trial(2, 16, None)) == 0


def test_the_best_trial_of_the_root_is_compared_with():
    trials = [trial(0, 64, 0.90), trial(1, 32, 0.90), trial(2, 64, 0.93, parent_id=UUID(int=0))]
    assert chosen(*trials) == 2


def test_a_measured_latency_counts_more_than_a_predicted_one():
    slow = trial(1, 8, 0.9, latency=2e-3)
    assert chosen(trial(0, 64, 0.9, latency=1e-3), slow, cost=Cost.LATENCY) == 0


def test_nothing_is_known_before_the_root_has_a_value():
    assert keeping.kept_value([trial(0, 64, None)], ROOT, Cost.PARAMETERS, Bounds()) is None


def test_the_acquisition_is_the_probability_times_the_saving():
    """At savings well above the bend, with the probability counted from samples."""
    rng, least = np.random.default_rng(0), 0.9
    mean, std = np.array([0.89, 0.93, 0.9]), np.array([0.02, 0.01, 0.05])
    kept = (rng.normal(mean, std, (200_000, 3)) >= least).mean(axis=0)
    levels, known = np.array([0.8, 0.91, 0.95]), np.log([500.0, 1000.0, 4000.0])
    costs = np.log([250.0, 500.0, 100.0])
    found = log_expected_saving(np.log(kept), costs, levels, known, least)
    np.testing.assert_allclose(np.exp(found), kept * (np.log(1000) - costs), rtol=1e-3)
    beyond = log_expected_saving(np.zeros(3), np.log([900.0, 2e3, 1e9]), levels, known, least)
    assert beyond[0] > beyond[1] > beyond[2] > -np.inf


def searched(steps: int) -> list[PastTrial]:
    """A search in which networks of 20 units and more are equally good."""
    trials: list[PastTrial] = []
    for number in range(steps):
        asked = Snapshot(
            seed=1,
            next_number=number,
            count=1,
            strategy="bayesian",
            strategy_options={"candidates": 40},
            roots=(ROOT,),
            bounds=Bounds(parameters=ROOT.parameters, layers=8),
            trials=tuple(trials),
            cost=Cost.PARAMETERS,
            keeps_value=True,
        )
        (found,) = step(asked)
        value = 0.9 - 0.02 * max(
            0.0, np.log(network(20).parameters / found.architecture.parameters)
        )
        new = trial(number, 64, value, parent_id=found.parent_id, morphisms=found.morphisms)
        trials.append(dataclasses.replace(new, architecture=found.architecture))
    return trials


def test_a_search_shrinks_the_root_to_the_least_size_that_keeps_its_value():
    trials = searched(14)
    kept = keeping.kept_value(trials, ROOT, Cost.PARAMETERS, Bounds())
    assert kept is not None
    best = keeping.chosen(trials, kept)
    assert best.architecture.parameters < 0.55 * ROOT.parameters
    assert all(one.architecture.parameters <= ROOT.parameters for one in trials)
    again = keeping.finalists(trials, kept)
    assert again == [best]


CONFIG = SearchConfig(budget=Budget(trials=5), root=UUID(int=1), keep_accuracy=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": None}, "the search has no root whose accuracy could be kept; expected `root`"),
        ({"training": Training(ensemble=2)}, "training.ensemble is 2; expected 1 or nothing"),
    ],
)
def test_a_search_that_cannot_keep_an_accuracy_is_refused(changes, message):
    defaults.check_keeping(CONFIG)
    with pytest.raises(InvalidInput, match=message):
        defaults.check_keeping(CONFIG.model_copy(update=changes))


@pytest.mark.parametrize("cost", [Cost.PARAMETERS, Cost.FLOPS, Cost.LATENCY])
def test_no_network_of_a_search_costs_more_than_the_root(cost):
    found = defaults.bounds(CONFIG.model_copy(update={"cost": cost}), SPEC, ROOT)
    assert (found.parameters == ROOT.parameters) == (cost is Cost.PARAMETERS)
    assert (found.flops == ROOT.flops) == (cost is Cost.FLOPS)
    given = CONFIG.model_copy(update={"cost": cost, "bounds": Bounds(parameters=500)})
    assert defaults.bounds(given, SPEC, ROOT).parameters == 500
