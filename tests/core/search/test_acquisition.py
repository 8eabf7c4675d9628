"""The acquisition, and that its search finds the best candidate within its rules."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from benchmarks.histories import SPEC, history
from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.graph.building import chain
from core.graph.roots import roots
from core.layers import Dense, Flatten, Input, Output, ReLU
from core.morphisms import apply_all, legal
from core.protocol.contracts.bounds import Bounds
from core.search.acquisition import (
    CHILDREN,
    COLDEST,
    Acquisition,
    _Tree,
    confidence_bound,
    log_chance_of_improvement,
    log_expected_gain,
    log_expected_improvement,
    maximise,
)
from core.search.history import PastTrial, Suggestion
from core.search.pareto import Front, Reference
from core.surrogate.fitting import Observation, fit
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import KERNELS

HISTORY = history(12, seed=6)
BOUNDS = Bounds(layers=40, flops=40 * roots(SPEC, Bounds())[0].flops)
EXCLUDED = frozenset(trial.architecture.fingerprint for trial in HISTORY)

finite = st.floats(-1e6, 1e6)
spreads = st.floats(0, 1e6)


def learned(
    trials: Sequence[PastTrial] = HISTORY, sign: int = 1, kernel: str = "edit"
) -> Surrogate:
    return fit(
        [Observation(trial.architecture, sign * float(trial.value or 0)) for trial in trials],
        kernel,
    )


SURROGATE = learned()


def found(surrogate: Surrogate = SURROGATE, seed: int = 0, **options) -> list[Suggestion]:
    """The acquisition search over the history, with a small budget unless given."""
    given_options = {
        "parents": HISTORY,
        "excluded": EXCLUDED,
        "bounds": BOUNDS,
        "rng": np.random.default_rng(seed),
        "count": 1,
        "acquisition": Acquisition(),
        "candidates": 60,
        "morphisms": 3,
    }
    if "beta" in options:
        options["acquisition"] = Acquisition(beta=options.pop("beta"))
    return maximise(surrogate, **(given_options | options))


def alpha(surrogate: Surrogate, architecture: Architecture, beta: float) -> float:
    mean, std = surrogate.standard_posterior(surrogate.geometry.points([architecture]))
    return float(surrogate.warp.inverse(mean + beta * std)[0])


# --- the confidence bound -----------------------------------------------------------------------


@given(mean=finite, std=spreads, beta=st.floats(0, 5))
def test_the_bound_is_a_quantile_of_the_posterior(mean, std, beta):
    """β standard deviations above the mean: a value that is exceeded with chance Φ(-β)."""
    bound = float(confidence_bound(np.array(mean), np.array(std), beta))
    assert np.isfinite(bound)
    if std == 0:
        assert bound == mean
    else:
        exceeded = norm.isf(norm.sf(beta), loc=mean, scale=std)
        assert bound == pytest.approx(exceeded, rel=1e-6, abs=1e-6 * std)


@given(mean=finite, std=spreads, more=st.floats(0, 1e3), beta=st.floats(0, 5))
def test_a_higher_mean_or_deviation_never_lowers_the_bound(mean, std, more, beta):
    bounds = confidence_bound(
        np.array([mean, mean + more, mean]), np.array([std, std, std + more]), beta
    )
    assert bounds[0] <= min(bounds[1:])


def test_bounds_of_a_batch_are_those_of_its_members():
    mean, std = np.array([0.5, 0.9, 0.7]), np.array([0.5, 0.0, 0.1])
    np.testing.assert_allclose(confidence_bound(mean, std, 2.0), [1.5, 0.9, 0.9])


# --- its maximisation ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta", "kernel"), [*((1.0, kernel) for kernel in KERNELS), (0.0, "blend"), (20.0, "blend")]
)
def test_the_best_of_all_that_one_morphism_reaches_is_found(beta, kernel):
    """With a budget for everything the search is exhaustive."""
    surrogate, parents = learned(kernel=kernel), HISTORY[:2]
    reached = {
        child.fingerprint: child
        for parent in parents
        for morphism in legal(parent.architecture, BOUNDS)
        for child in [morphism.apply(parent.architecture)]
        if child.fingerprint not in EXCLUDED
    }

    (best,) = found(surrogate, parents=parents, morphisms=1, candidates=10**6, beta=beta)

    alphas = [alpha(surrogate, one, beta) for one in reached.values()]
    assert best.architecture.fingerprint in reached
    assert alpha(surrogate, best.architecture, beta) == pytest.approx(max(alphas), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_suggestions_are_new_legal_and_reached_from_their_parents(seed):
    suggestions = found(seed=seed, count=5)

    names = [one.architecture.fingerprint for one in suggestions]
    assert len(set(names)) == len(names) == 5
    assert not EXCLUDED.intersection(names)
    for one in suggestions:
        assert one.parent in HISTORY
        assert 1 <= len(one.morphisms) <= 3
        assert apply_all(one.parent.architecture, one.morphisms) == one.architecture
        assert fits(one.architecture, BOUNDS)


def test_each_suggestion_of_a_batch_is_chosen_as_if_the_earlier_had_turned_out_as_expected():
    suggestions, surrogate = found(count=4, beta=2.0), SURROGATE
    for index, one in enumerate(suggestions):
        mean, std = surrogate.posterior(surrogate.geometry.points([one.architecture]))
        assert one.predicted_mean == pytest.approx(mean[0], rel=1e-6)
        assert one.predicted_std == pytest.approx(std[0], rel=1e-6)
        later = [alpha(surrogate, other.architecture, 2.0) for other in suggestions[index:]]
        assert later[0] == pytest.approx(max(later))
        surrogate = surrogate.fantasize(surrogate.geometry.points([one.architecture]))


def test_excluded_architectures_are_not_suggested():
    (first,) = found()
    (second,) = found(excluded=EXCLUDED | {first.architecture.fingerprint})
    assert second.architecture != first.architecture


def test_larger_values_are_better():
    """With negated values the search prefers the opposite."""
    usual, opposite = found(beta=0.0)[0], found(learned(sign=-1), beta=0.0)[0]
    middle = float(np.mean([trial.value for trial in HISTORY]))
    assert usual.predicted_mean > middle
    assert -opposite.predicted_mean < middle


def test_a_larger_weight_explores_more():
    timid, bold = (
        found(learned(sign=-1), parents=HISTORY[:2], morphisms=1, candidates=10**6, beta=beta)[0]
        for beta in (0.0, 50.0)
    )
    assert bold.predicted_std > timid.predicted_std
    assert bold.predicted_mean < timid.predicted_mean


def test_the_same_generator_gives_the_same_suggestions():
    assert found(count=3) == found(count=3)
    assert any(found(seed=seed) != found() for seed in (1, 2))


def test_a_caller_may_end_the_search_and_gets_the_best_so_far():
    asked = []

    def after_three() -> bool:
        asked.append(True)
        return len(asked) == 3

    (one,) = found(candidates=10**6, should_stop=after_three)
    assert len(asked) == 3
    assert one.architecture.fingerprint not in EXCLUDED


@pytest.mark.parametrize("candidates", [1, 20])
def test_a_budget_of_candidates_ends_the_search(candidates):
    suggestions = found(candidates=candidates, count=10**6)
    assert candidates <= len(suggestions) < candidates + CHILDREN


def test_an_exhausted_space_gives_no_candidates():
    least = chain(iter((Input((1, 8, 8)), Flatten(), Dense(4), ReLU(), Dense(10), Output())))
    parent = dataclasses.replace(HISTORY[0], architecture=least)
    tight = Bounds(layers=len(least.nodes), parameters=least.parameters)
    assert found(parents=[parent], bounds=tight) == []
    assert found(count=0) == []


def test_equal_values_do_not_stop_the_search():
    equal = [dataclasses.replace(trial, value=0.5) for trial in HISTORY]
    (one,) = found(learned(equal), parents=equal)
    assert one.predicted_mean == pytest.approx(0.5)
    assert np.isfinite(one.predicted_std)


# --- simulated annealing -------------------------------------------------------------------------


def tree_of(acquisition: Acquisition) -> _Tree:
    """An acquisition search before its first expansion."""
    tree = _Tree(SURROGATE, BOUNDS, np.random.default_rng(0), acquisition, 3, set(EXCLUDED))
    tree.plant(HISTORY, ())
    return tree


def accepted(tree: _Tree, units: float) -> float:
    """How often a candidate is queued that is this many units of α below the best observed one."""
    alpha = tree._bound - units * tree.acquisition.unit(SURROGATE)
    return float(np.mean([tree._accepts(alpha) for _ in range(2000)]))


@pytest.mark.parametrize("kind", ["ucb", "log-ei"])
@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_worse_candidates_are_accepted_by_the_metropolis_rule_in_units_of_the_acquisition(
    kind, temperature
):
    tree = tree_of(Acquisition(kind))
    tree._temperature = temperature
    for units in (0.1, 0.5, 1.0):
        expected = np.exp(-units / temperature)
        assert accepted(tree, units) == pytest.approx(expected, abs=0.04)
    assert accepted(tree, 0.0) == 1.0


def test_the_unit_of_the_bound_is_a_standard_deviation_of_the_objective():
    """Of the logarithms it is one nat."""
    assert Acquisition("ucb").unit(SURROGATE) == SURROGATE.scale
    assert SURROGATE.scale == pytest.approx(np.std([t.value for t in HISTORY]), rel=0.5)
    assert {Acquisition(kind).unit(SURROGATE) for kind in ("log-ei", "log-pi", "log-ehvi")} == {1.0}


def test_the_temperature_cools_so_that_worse_candidates_are_accepted_less_and_less():
    tree = tree_of(Acquisition())
    chances = []
    for _ in range(4):
        chances.append(accepted(tree, 0.3))
        for _ in range(8):
            tree.expand()
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.7
    assert chances[-1] < 0.1
    while tree._expansions < 80:
        tree.expand()
    assert tree._temperature == COLDEST


def test_an_observed_network_is_expanded_at_least_every_third_time():
    """Even while others are queued that promise more."""
    tree = tree_of(Acquisition())
    observed = []
    for _ in range(12):
        candidate = tree._next()
        observed.append(candidate.morphisms == ())
        tree._push(np.inf, dataclasses.replace(candidate, morphisms=(None,)))
        tree._expansions += 1
    assert observed == [number % 3 == 0 for number in range(12)]


# --- the expected improvement --------------------------------------------------------------------


@pytest.mark.parametrize("best", [-3.0, -0.5, 0.0, 0.9, 2.0, 6.0])
@pytest.mark.parametrize("std", [0.01, 1.0, 30.0])
def test_the_expected_improvement_is_the_mean_of_what_exceeds_the_best(best, std):
    total, _ = quad(
        lambda z: max(0.0, z - best) * norm.pdf(z), best, best + 40, epsabs=0, epsrel=1e-10
    )
    found = log_expected_improvement(np.zeros(1), np.array([std]), best * std)
    assert found[0] == pytest.approx(np.log(total) + np.log(std), rel=1e-6)


def test_however_unlikely_the_improvement_better_means_have_more_of_it():
    means = -np.logspace(-3, 9, 200)
    found = log_expected_improvement(means, np.ones(200), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def test_the_best_by_expected_improvement_is_found():
    chosen = Acquisition("log-ei")
    parents = [trial for trial in HISTORY if trial.inheritable][:2]
    options = {"parents": parents, "morphisms": 1, "candidates": 10**6, "acquisition": chosen}
    (best,) = found(**options)
    means, _ = SURROGATE.posterior(
        SURROGATE.geometry.points([trial.architecture for trial in parents])
    )
    front = Front.of(means, np.zeros(len(means)))

    def score(architecture: Architecture) -> float:
        points = SURROGATE.geometry.points([architecture])
        return float(chosen(SURROGATE, points, np.zeros(1), front)[0])

    reached = [
        morphism.apply(trial.architecture)
        for trial in parents
        for morphism in legal(trial.architecture, BOUNDS)
    ]
    new = [one for one in reached if one.fingerprint not in EXCLUDED]
    assert score(best.architecture) == pytest.approx(max(map(score, new)), rel=1e-9)


def test_an_improvement_is_measured_from_the_best_observed_value():
    """A smooth surrogate has lower means: measured from them, known networks would improve."""
    points = SURROGATE.geometry.points([trial.architecture for trial in HISTORY])
    mean, std = SURROGATE.standard_posterior(points)
    best = SURROGATE.warp(np.array([max(trial.value or 0.0 for trial in HISTORY)]))
    expected = log_expected_improvement(mean, std, best)
    np.testing.assert_allclose(Acquisition("log-ei").of_values(SURROGATE, points), expected)
    assert best > mean.max()


def test_the_chance_of_improvement_is_that_of_a_measured_value():
    """Noise is part of a measured value; even hopeless networks are ranked."""
    points = SURROGATE.geometry.points([trial.architecture for trial in history(30, seed=7)])
    mean, std = SURROGATE.standard_posterior(points)
    spread = np.sqrt(std**2 + SURROGATE.noise**2)
    chances = norm.sf(SURROGATE.best, loc=mean, scale=spread)
    found = Acquisition("log-pi").of_values(SURROGATE, points)
    np.testing.assert_allclose(np.exp(found), chances, rtol=1e-6)
    far = log_chance_of_improvement(-np.logspace(1, 6, 50), np.ones(50), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()


def test_bounds_are_quantiles_in_the_unit_of_the_metric():
    points = SURROGATE.geometry.points([trial.architecture for trial in history(30, seed=7)])
    for beta in (0.0, 1.5):
        bounds = Acquisition(beta=beta).of_values(SURROGATE, points)
        mean, std = SURROGATE.standard_posterior(points)
        np.testing.assert_allclose(SURROGATE.warp(bounds), mean + beta * std, atol=1e-9)


def test_the_more_a_second_counts_the_cheaper_the_choice():
    costs = [
        found(acquisition=Acquisition("log-ei", cost_weight=weight))[0].architecture.flops
        for weight in (0.0, 10.0)
    ]
    assert costs[1] < costs[0]


# --- the expected gain in hypervolume ------------------------------------------------------------

FRONT = Front.of([0.5, 0.7, 0.8, 0.6], [0.0, 1.0, 3.0, 2.0], Reference(0.4, 4.0))


def gain(value: float, log_cost: float) -> float:
    return FRONT.with_point(value, log_cost).hypervolume - FRONT.hypervolume


@pytest.mark.parametrize("log_cost", [-2.0, 0.0, 0.5, 1.0, 2.5, 3.9])
@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.1), (0.75, 0.01), (0.9, 0.3), (0.45, 0.1)])
def test_the_expected_gain_is_the_mean_of_the_gains(log_cost, mean, std):
    total, _ = quad(
        lambda value: gain(value, log_cost) * norm.pdf(value, mean, std),
        max(0.4, mean - 12 * std), mean + 12 * std,
        points=[v for v in (0.5, 0.7, 0.8) if mean - 12 * std < v < mean + 12 * std],
        epsabs=0, epsrel=1e-10, limit=200,
    )  # fmt: skip
    (found,) = log_expected_gain(np.array([mean]), np.array([std]), np.array([log_cost]), FRONT)
    assert found == pytest.approx(np.log(total), rel=1e-6, abs=1e-6)


def test_a_candidate_that_costs_more_than_the_reference_gains_nothing():
    gains = log_expected_gain(np.full(3, 9.0), np.ones(3), np.array([3.9, 4.0, 5.0]), FRONT)
    assert np.isfinite(gains).all()
    assert gains[0] > -5
    assert max(gains[1:]) < -1e20


def test_of_two_candidates_with_equal_predictions_the_cheaper_is_chosen():
    costs = np.array([0.5, 1.5, 2.5])
    gains = log_expected_gain(np.full(3, 0.7), np.full(3, 0.1), costs, FRONT)
    assert (np.diff(gains) < 0).all()


def test_where_a_cost_counts_smaller_networks_are_chosen():
    by_value, by_both = (
        found(acquisition=Acquisition(kind), count=3, candidates=300)
        for kind in ("log-ei", "log-ehvi")
    )
    typical = [
        np.median([d.architecture.flops for d in suggestions])
        for suggestions in (by_value, by_both)
    ]
    assert typical[1] < typical[0]


def test_a_batch_spreads_along_the_front_as_if_the_earlier_had_turned_out_as_expected():
    suggestions = found(acquisition=Acquisition("log-ehvi"), count=4)
    front, surrogate = planted(), SURROGATE
    for index, one in enumerate(suggestions):
        later = [other.architecture for other in suggestions[index:]]
        mean, std = surrogate.posterior(surrogate.geometry.points(later))
        costs = np.log([one.flops for one in later])
        gains = log_expected_gain(mean, std, costs, front)
        assert gains[0] == pytest.approx(max(gains))
        surrogate = surrogate.fantasize(surrogate.geometry.points([one.architecture]))
        front = front.with_point(mean[0], costs[0])


def planted() -> Front:
    """The front of the history's means."""
    known = [trial.architecture for trial in HISTORY]
    means, _ = SURROGATE.posterior(SURROGATE.geometry.points(known))
    return Front.of(means, np.log([one.flops for one in known]))
