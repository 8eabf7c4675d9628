"""Rows that another release wrote: shown with what is known of them."""

from typing import Any

import pytest

from api.models.datasets import Dataset
from api.models.searches import Search
from api.models.trials import Trial
from api.store import datasets, searches, trials
from api.store.readable import readable
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig

GOOD = {"budget": {"trials": 3}, "seed": 7}


@pytest.mark.parametrize(
    ("stored", "unread"),
    [
        (GOOD, []),
        (GOOD | {"temperature": 1}, ["temperature"]),
        (GOOD | {"training": {"epochs": "many"}}, ["training"]),
        (GOOD | {"training": {"epochs": 0}, "cost": "carbon"}, ["cost", "training"]),
        ({"seed": 7, "budget": {}}, ["budget"]),
        ({"seed": 7}, ["budget"]),
    ],
)
def test_what_can_be_read_is_kept(stored: Any, unread: list[str]) -> None:
    config, found = readable(SearchConfig, stored, budget=Budget(trials=1))
    assert found == unread
    assert config.seed == 7
    assert config.budget == Budget(trials=1 if "budget" in unread else 3)


@pytest.mark.parametrize("stored", [[], None, "text", 3])
def test_what_is_no_object_has_the_defaults(stored: Any) -> None:
    config, _ = readable(SearchConfig, stored, budget=Budget(trials=1))
    assert config == SearchConfig(budget=Budget(trials=1))


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"budget": {"trials": 3}, "temperature": 1}},
        {"config": {"budget": {"trials": 3}, "task": "poetry"}},
        {"config": {}},
        {"bounds": {"depth": 3}},
        {"bounds": {"layers": 10**30}},
    ],
)
def test_a_search_of_another_release_is_listed_with_the_others_and_deleted(
    world: Any, change: dict[str, Any]
) -> None:
    user = world.caller()
    known, strange = world.search(user), world.search(user)
    world.set(Search, strange, **change)
    with world.sessions.begin() as session:
        listed = {one.id: one for one in searches.listing(session, user).items}
        assert set(listed) == {known, strange}
        assert "another release wrote this search" in listed[strange].reason
        assert listed[known].reason == ""
        searches.remove(session, user, strange)


def test_a_data_set_and_a_trial_of_another_release_are_listed_with_the_others(world: Any) -> None:
    user = world.caller()
    search = world.search(user)
    dataset, trial = world.dataset(user), world.trial(search)
    world.trial(search)
    world.set(Dataset, dataset, spec={"input_shape": "large", "dtype": "uint8"})
    world.set(Trial, trial, choices={"mixing": "much"})
    with world.sessions.begin() as session:
        assert dataset in {one.id for one in datasets.listing(session, user).items}
        assert len(trials.listing(session, user, search).items) == 2
