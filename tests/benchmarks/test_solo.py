"""A search in one process ends like one of the service, and a seed repeats it."""

from itertools import count

import pytest
import torch

from benchmarks import solo
from benchmarks.solo import Solo
from benchmarks.solo_trial import SearchOutcome
from core.data import datasets
from core.graph.weights import check, load
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.search import pace
from tests.worker.orders import NETWORK, arrays

QUICK = Training(epochs=1, final_epochs=2, batch_size=16)


@pytest.fixture(autouse=True)
def _restored_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def prepared(folder, clock=None, **changes) -> Solo:
    data = arrays()
    config = {"budget": Budget(trials=4), "training": QUICK, "strategy": "random", "seed": 3}
    return Solo(
        config=SearchConfig(**config | changes),
        spec=datasets.spec(data, flip=False),
        name="columns",
        arrays=data,
        folder=folder,
        clock=clock or count().__next__,  # each reading is a second later
    )


def decided_by_seed(outcome: SearchOutcome) -> list[tuple]:
    """Everything about the trials that depends on the seed."""
    return [
        (trial.number, trial.architecture.fingerprint, trial.value, trial.started, trial.ended)
        for trial in outcome.trials
    ]


def test_a_search_tries_networks_and_exports_the_best(tmp_path):
    search = prepared(tmp_path)
    found = search.run()
    assert found.status is SearchStatus.COMPLETED
    assert [trial.kind for trial in found.trials] == [TrialKind.SEARCH] * 4 + [TrialKind.FINAL]
    searched = found.trials[:-1]
    assert any(trial.parent is not None for trial in searched)
    assert found.final.parent in searched
    assert found.final.architecture == found.final.parent.architecture
    assert found.final.result.test.examples == 30
    assert search.storage.get(found.final.result.export)
    assert 0 < found.compute_in_winner <= 1
    assert found.seconds == found.final.ended


def test_a_search_may_export_an_ensemble(tmp_path):
    training = QUICK.model_copy(update={"ensemble": 3})
    search = prepared(tmp_path, training=training, budget=Budget(trials=6))
    found = search.run()
    final = found.final
    assert (found.status, final.status) == (SearchStatus.COMPLETED, TrialStatus.COMPLETED)
    assert 2 <= len(final.members) <= 3
    assert final.members[0] is final.parent
    assert final.architecture.parameters == sum(
        member.architecture.parameters for member in final.members
    )
    exported = final.architecture
    if final.result.comparison.exported == "winner":
        exported = final.parent.architecture
    assert final.result.parameters == exported.parameters
    check(exported, load(search.storage.get(final.result.weights)))
    assert search.storage.get(final.result.export)
    assert [trial.number for trial in final.ancestry].count(final.parent.number) == 1
    assert {trial.number for trial in final.ancestry} == {
        one.number for source in (final, *final.members) for one in source.lineage
    }
    seconds = sum(trial.result.seconds for trial in found.trials)
    inside = sum(trial.result.seconds for trial in final.ancestry)
    assert found.compute_in_winner == inside / seconds


def test_the_same_seed_gives_the_same_search(tmp_path):
    first, again, other = (
        prepared(tmp_path / name, seed=seed).run()
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert decided_by_seed(first) == decided_by_seed(again) != decided_by_seed(other)


def test_with_several_workers_an_outcome_is_seen_when_the_clock_reaches_its_end(tmp_path):
    found = prepared(tmp_path, parallelism=2, budget=Budget(trials=6)).run()
    searched = found.trials[:-1]
    assert searched[1].started < searched[0].ended  # side by side
    in_flight = [
        sum(other.started < one.ended and one.started < other.ended for other in searched)
        for one in searched
    ]
    assert max(in_flight) >= 2
    for trial in searched:
        assert trial.parent is None or trial.parent.ended <= trial.started
    assert found.final.started >= max(trial.ended for trial in searched)


def test_a_budget_of_seconds_ends_by_the_clock(tmp_path):
    ticks = (tick / 20 for tick in count())
    search = prepared(
        tmp_path, clock=ticks.__next__, budget=Budget(seconds=40), training=Training(batch_size=16)
    )
    found = search.run()
    assert found.status is SearchStatus.COMPLETED
    assert 30 < found.seconds <= 40
    deadline = pace.trials_deadline(search.config)
    assert max(trial.ended for trial in found.trials[:-1]) <= deadline + 1


def test_a_hand_made_network_is_trained_alone(tmp_path):
    found = prepared(tmp_path).fit_alone(NETWORK)
    assert [trial.kind for trial in found.trials] == [TrialKind.FINAL]
    assert found.final.status is TrialStatus.COMPLETED
    assert found.final.result.epochs == QUICK.final_epochs
    assert found.compute_in_winner == 1


def test_blobs_are_removed_with_their_folder():
    with solo.temporary_folder() as folder:
        prepared(folder).fit_alone(NETWORK)
        assert any(folder.rglob("*.safetensors"))
    assert not folder.exists()
