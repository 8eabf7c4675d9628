"""Snapshots: what a step depends on, unless the search has changed since it was looked at."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.models import Search
from api.store import live_searches, snapshots
from api.store.trial_rows import StoredSnapshot
from core.protocol.contracts import Bounds, Budget, DatasetSpec, SearchConfig
from core.protocol.states import SearchStatus, TrialKind


def live(world: Any) -> live_searches.LiveSearch:
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
    return search


def read(world: Any, search: live_searches.LiveSearch) -> StoredSnapshot | None:
    with world.sessions.begin() as session:
        return snapshots.read(session, search, 3)


def test_a_snapshot_has_the_configuration_and_all_trials_but_the_final_fit(world) -> None:
    search_id = world.search(budget=Budget(epochs=50), seed=7)
    first = world.trial(search_id)
    second = world.trial(search_id, parent_id=first)
    world.trial(search_id, kind=TrialKind.FINAL, parent_id=first)

    snapshot = read(world, live(world))

    assert snapshot is not None
    assert SearchConfig.model_validate(snapshot.config).seed == 7
    assert Bounds.model_validate(snapshot.bounds) == Bounds()
    assert DatasetSpec.model_validate(snapshot.dataset) == world.dataset_spec()
    assert (snapshot.search_id, snapshot.next_number, snapshot.count) == (search_id, 3, 3)
    assert [row["id"] for row in snapshot.trials] == [first, second]
    assert snapshot.epochs_left == 50 - 2 * 3
    assert 0 <= snapshot.elapsed < 60


@pytest.mark.parametrize("status", [SearchStatus.PAUSED, SearchStatus.FINISHING])
def test_a_search_that_does_not_run_has_no_snapshot(world, status) -> None:
    search_id = world.search()
    before = live(world)
    world.set(Search, search_id, status=status)
    assert read(world, before) is None


def test_a_search_with_another_trial_meanwhile_has_no_snapshot(world) -> None:
    search_id = world.search()
    before = live(world)
    assert read(world, before) is not None
    world.trial(search_id)
    assert read(world, before) is None


def test_a_configuration_is_read_whatever_the_status_and_none_of_no_search(world) -> None:
    search_id: UUID = world.search(seed=3, status=SearchStatus.STOPPED)
    with world.sessions.begin() as session:
        found = snapshots.configured(session, search_id)
        assert found is not None
        assert found[0].seed == 3
        assert found[1] == world.dataset_spec()
        assert snapshots.configured(session, uuid4()) is None
