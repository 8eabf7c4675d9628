"""The Bayesian strategy's view of trials that failed, were stopped, or are still running."""

import dataclasses

import numpy as np
import pytest

from benchmarks.histories import history
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialStatus
from core.search import acquisition
from core.search.beliefs import believe, prior_mean_of
from core.search.history import PastTrial, SuggestRequest
from core.search.strategies.bayesian import FIRST, Bayesian
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import KERNELS

every_kernel = pytest.mark.parametrize("kernel", list(KERNELS))

TRIALS = history(20, seed=8)
COMPLETED, LAST = TRIALS[:-1], TRIALS[-1]


def ended(status: TrialStatus) -> PastTrial:
    return dataclasses.replace(LAST, status=status, value=None, value_std=None, inheritable=False)


def of_last(surrogate: Surrogate) -> tuple[float, float]:
    mean, std = surrogate.posterior(surrogate.geometry.points([LAST.architecture]))
    return float(mean[0]), float(std[0])


def standard_spread(surrogate: Surrogate) -> float:
    """The standard deviation of the last one on the scale where values are normal."""
    _, std = surrogate.standard_posterior(surrogate.geometry.points([LAST.architecture]))
    return float(std[0])


@every_kernel
def test_an_infeasible_trial_counts_as_the_worst(kernel):
    before = believe(COMPLETED, (), kernel)
    after = believe([*COMPLETED, ended(TrialStatus.INFEASIBLE)], (), kernel)
    assert standard_spread(after) < 0.5 * standard_spread(before)
    (mean, _), (worse, _) = of_last(before), of_last(after)
    assert worse < mean
    worst = min(trial.value for trial in COMPLETED)
    alone, _ = of_last(believe([*COMPLETED, dataclasses.replace(LAST, value=worst)], (), kernel))
    assert worse == pytest.approx(alone, abs=0.01)


@every_kernel
@pytest.mark.parametrize("status", [TrialStatus.FAILED, TrialStatus.LOST])
def test_a_trial_that_failed_by_chance_says_nothing(kernel, status):
    before = of_last(believe(COMPLETED, (), kernel))
    assert of_last(believe([*COMPLETED, ended(status)], (), kernel)) == before


@every_kernel
def test_a_stopped_trial_counts_by_its_last_value(kernel):
    stopped = dataclasses.replace(LAST, status=TrialStatus.STOPPED)
    assert of_last(believe([*COMPLETED, stopped], (), kernel)) == of_last(
        believe(TRIALS, (), kernel)
    )


@every_kernel
def test_a_pending_trial_is_assumed_to_have_its_expected_value(kernel):
    mean, std = of_last(believe(COMPLETED, (), kernel))
    same, surer = of_last(believe(COMPLETED, [ended(TrialStatus.RUNNING)], kernel))
    assert same == pytest.approx(mean, abs=0.2 * std)  # measured from one landmark more
    assert surer < 0.5 * std


@every_kernel
def test_without_values_predictions_are_those_of_the_prior(kernel):
    pending = [ended(TrialStatus.WAITING)]
    infeasible = [ended(TrialStatus.INFEASIBLE)]
    for completed, waiting in (((), pending), (infeasible, ())):
        mean, std = of_last(believe(completed, waiting, kernel))
        assert mean == 0
        assert np.isfinite(std)
        assert std > 0


def test_the_first_morphs_are_random_whatever_the_surrogate_predicts():
    """A surrogate with hardly any data would choose the architecture farthest from all others."""
    for count, is_random in ((FIRST - 1, True), (FIRST, False)):
        request = SuggestRequest(
            completed=TRIALS[:count], count=3, bounds=Bounds(), rng=np.random.default_rng(0)
        )
        suggestions = Bayesian(candidates=30).suggest(request)
        assert [one.predicted_mean is None for one in suggestions] == [is_random] * 3


def test_the_options_choose_the_acquisition():
    for options, kind, beta in (
        ({}, "ucb", 2.0),
        ({"beta": 0.0}, "ucb", 0.0),
        ({"acquisition": "log-ei"}, "log-ei", 2.0),
    ):
        acquisition = Bayesian(**options).acquisition_for(Bounds())
        assert (acquisition.kind, acquisition.beta) == (kind, beta)


def early(trial: PastTrial, value: float | None) -> PastTrial:
    """The trial, stopped after a twentieth of its training."""
    stopped = {"status": TrialStatus.STOPPED, "epochs": 1, "planned_epochs": 20}
    return dataclasses.replace(trial, value=value, **stopped)


def test_a_value_of_a_short_training_counts_as_the_value_expected_at_its_end():
    seen = [early(trial, trial.value - 0.1) if trial.number % 2 else trial for trial in COMPLETED]
    lowered = LAST.value - 0.1
    taken_early, _ = of_last(believe([*seen, early(LAST, lowered)], (), "blend"))
    at_the_end, _ = of_last(believe([*seen, dataclasses.replace(LAST, value=lowered)], (), "blend"))
    assert taken_early == pytest.approx(LAST.value, abs=0.03)
    assert at_the_end < LAST.value - 0.05


def test_a_trial_that_is_pending_for_a_short_training_reduces_uncertainty_less():
    seen = [early(trial, trial.value - 0.1) if trial.number % 2 else trial for trial in COMPLETED]
    mean, std = of_last(believe(seen, [ended(TrialStatus.RUNNING)], "blend"))
    same, wider = of_last(believe(seen, [early(LAST, None)], "blend"))
    assert same == pytest.approx(mean, abs=0.2 * std)
    assert wider > 1.05 * std


def test_an_infeasible_trial_is_as_bad_as_the_worst_that_was_trained_long():
    """The low value of a trial that was stopped early does not show how bad a network can be."""
    seen = [early(trial, 0.1) if trial.number < 6 else trial for trial in COMPLETED]
    worse, _ = of_last(believe([*seen, ended(TrialStatus.INFEASIBLE)], (), "blend"))
    worst = min(trial.value for trial in seen if trial.number >= 6)
    assert worse == pytest.approx(worst, abs=0.03)


def test_a_network_that_lost_its_weights_stays_on_the_front(monkeypatch):
    """A similar network would gain nothing by its value and its cost."""
    fronts = []
    plant = acquisition._Tree.plant

    def planted(tree, parents, others):
        plant(tree, parents, others)
        fronts.append(tree.front)

    monkeypatch.setattr(acquisition._Tree, "plant", planted)
    best = max(TRIALS, key=lambda trial: trial.value)
    lost = [dataclasses.replace(trial, inheritable=trial is not best) for trial in TRIALS]
    strategy = Bayesian(candidates=30, cost=Cost.PARAMETERS)
    rng = np.random.default_rng(0)
    strategy.suggest(SuggestRequest(completed=lost, bounds=Bounds(), rng=rng))
    assert np.log(best.architecture.parameters) in fronts[0].log_costs


def finished(seed: int) -> list[PastTrial]:
    """A finished search in which smaller networks were better."""
    return [
        dataclasses.replace(trial, value=1 - 0.05 * float(np.log(trial.architecture.parameters)))
        for trial in history(12, seed=seed)
    ]


def expected(**options: bool) -> list[float | None]:
    """The values that a search expects of its next networks."""
    request = SuggestRequest(
        completed=TRIALS[:3],
        count=3,
        bounds=Bounds(),
        prior_mean=prior_mean_of([finished(seed) for seed in range(3)]),
        rng=np.random.default_rng(1),
    )
    return [one.predicted_mean for one in Bayesian(**options).suggest(request)]


def test_finished_searches_say_what_to_expect_unless_they_must_not() -> None:
    """The next networks are larger than the known ones, which was no good in earlier searches."""
    assert max(expected()) < max(expected(prior=False))


def test_two_finished_searches_say_nothing() -> None:
    assert prior_mean_of([finished(0), finished(1)]) is None


def test_trials_without_a_value_say_nothing_of_other_searches() -> None:
    def without_values(trials: list[PastTrial]) -> list[PastTrial]:
        return [dataclasses.replace(trial, status=TrialStatus.LOST, value=None) for trial in trials]

    assert prior_mean_of([without_values(finished(seed)) for seed in range(4)]) is None
