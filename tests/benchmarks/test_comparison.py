"""Searches of several kinds end with an exported network and are compared seed by seed."""

from itertools import count

import numpy as np
import pytest
import torch

from benchmarks import ablations, comparison, incumbents, parallel, rivals, strategies
from benchmarks.incumbents import sampled
from benchmarks.solo import Solo
from core.data import datasets
from core.morphisms import MORPHISMS
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialKind
from core.search.strategies import STRATEGIES
from tests.worker.orders import arrays, order_for


@pytest.fixture(autouse=True)
def _restored_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def prepared(folder, **changes) -> Solo:
    data = arrays()
    config = {"budget": Budget(seconds=60), "training": Training(batch_size=16), "seed": 3}
    ticks = (tick / 8 for tick in count())  # each reading is an eighth of a second later
    return Solo(
        config=SearchConfig(**config | changes),
        spec=datasets.spec(data, flip=False),
        name="columns",
        arrays=data,
        folder=folder,
        clock=ticks.__next__,
    )


@pytest.mark.slow
def test_nash_trains_groups_of_children_of_one_parent(tmp_path, monkeypatch):
    monkeypatch.setattr(rivals, "STEPS", 2)
    found = rivals.hill_climb(prepared(tmp_path, budget=Budget(seconds=24)))
    assert found.status is SearchStatus.COMPLETED
    assert [trial.kind for trial in found.trials] == [TrialKind.SEARCH] * 17 + [TrialKind.FINAL]
    for step in range(rivals.STEPS):
        children = found.trials[1 + 8 * step : 9 + 8 * step]
        assert len({child.parent.number for child in children}) == 1
        assert [child.architecture == child.parent.architecture for child in children][-1]
    kinds = {MORPHISMS.kind_of(m) for trial in found.trials for m in trial.morphisms}
    assert kinds <= set(rivals.KINDS)
    assert found.final.result.test is not None
    assert found.trials[8].hyperparameters.optimiser == "sgd"


@pytest.mark.slow
def test_one_epoch_for_many_then_more_for_the_best(tmp_path):
    found = rivals.one_epoch_top_k(prepared(tmp_path))
    first = [trial for trial in found.trials if trial.parent is None]
    again = [trial for trial in found.trials if trial.parent is not None]
    assert len(first) > rivals.TOP
    assert {trial.result.epochs for trial in first} == {1}
    assert len(again) == rivals.TOP + 1
    values = sorted((trial.value for trial in first), reverse=True)
    assert [one.parent.value for one in again[:-1]] == values[: rivals.TOP]
    assert found.final.result.test is not None


def test_the_curve_of_a_search_ends_with_its_exported_network(tmp_path):
    search = prepared(tmp_path, strategy="random")
    found = search.run()
    curve = incumbents.curve(search)
    times = [time for time, _ in curve]
    assert times == sorted(times)
    assert curve[-1] == (
        round(found.final.ended, 2),
        round(100 * (1 - found.final.result.test.metric), 4),
    )
    assert all(0 <= error <= 100 for _, error in curve)


def test_a_step_curve_keeps_the_value_of_its_last_step():
    times = np.array([1.0, 2.0, 4.9, 5.0, 9.0])
    assert sampled([[1.0, 30.0], [5.0, 10.0]], times).tolist() == [30, 30, 30, 10, 10]


@pytest.mark.parametrize("name", ablations.ABLATIONS)
def test_an_ablation_changes_an_order_and_leaves_it_valid(tmp_path, name):
    order = order_for(prepared(tmp_path).storage, hyperparameters={"averaging": 0.2})
    changed = ablations.ABLATIONS[name].adjust(order)
    switched = ablations.ABLATIONS[name].changes
    assert (changed != order) or switched or name in (ablations.REFERENCE, "without-halving")
    assert set(switched) <= set(SearchConfig.model_fields)


def record(contender: str, seed: int, error: float, **more) -> dict:
    return {
        "dataset": "digits", "contender": contender, "seed": seed, "error": error, "se": 0.7,
        "seconds": 60.0, "commit": "abc", "trials": [{}] * 4,
    } | more  # fmt: skip


def test_differences_are_between_searches_with_the_same_seed():
    found = [record("a", 0, 5.0), record("a", 1, 9.0), record("b", 1, 8.0), record("b", 2, 1.0)]
    results = comparison.summary(found, "a")["datasets"]["digits"]
    assert results["b"]["difference"] == -1.0  # seed 1 alone
    assert results["b"]["difference_se"] is None
    assert results["a"]["difference"] == 0
    assert results["a"]["error"] == 7.0
    assert results["a"]["se"] == pytest.approx(2.0)


def test_the_page_ranks_the_contenders():
    found = [record("a", 0, 5.0), record("b", 0, 3.0, failure="no network")]
    text = comparison.page(found, comparison.summary(found, "a"), None, "Title")
    assert text.index("`b` (1 without a network) | 3.00 ± 0.70 | -2.00") < text.index("`a` | 5.00")


def test_all_strategies_contend_and_workers_have_names():
    assert set(STRATEGIES) | set(strategies.RIVALS) >= {"bayesian", "nash", "one-epoch-top-k"}
    assert [parallel.contender_name(workers) for workers in (1, 8)] == ["1 worker", "8 workers"]
