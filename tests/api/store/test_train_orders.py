"""The contents of train orders: read for a leased trial, and settled while its lease lasts."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.store import searches, train_orders
from api.store.leases import Held
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.states import SearchStatus, TrialKind
from tests.api.store.reports import context_of

CHOSEN = Hyperparameters(epochs=7)


def with_weights(world: Any, search: Any, **columns: Any) -> Any:
    """A completed trial of the search, and its weights."""
    weights = world.blob()
    columns = {"value": 0.5, "weights_key": weights.key, "weights_bytes": weights.bytes} | columns
    return world.trial(search, status="completed", **columns), weights


def test_a_context_has_the_trial_its_parent_its_search_and_its_data(world, do) -> None:
    search = world.search(seed=7)
    architecture = {"version": 1, "nodes": ["the parent's"]}
    parent, weights = with_weights(
        world, search, architecture=architecture, value=0.5, value_std=0.01
    )
    step = {"text": "widen", "data": {"kind": "widen"}}
    trial = world.trial(
        search, parent_id=parent, inherited=True, morphisms=[step], hyperparameters={"epochs": 5}
    )

    context = do(context_of, trial)

    assert (context.search_id, context.search_name, context.config.seed) == (search, "a search", 7)
    assert (context.number, context.kind, context.inherited) == (1, TrialKind.SEARCH, True)
    assert (context.architecture, context.morphisms) == ({"version": 1, "nodes": []}, [step])
    assert (context.hyperparameters, context.epochs_left) == (Hyperparameters(epochs=5), None)
    assert (context.parent_id, context.parent_number) == (parent, 0)
    assert (context.parent_architecture, context.parent_weights) == (architecture, weights)
    assert (context.parent_value, context.parent_value_std) == (0.5, 0.01)
    assert (context.dataset_name, context.dataset_spec) == ("data 1", world.dataset_spec())
    assert context.dataset.key.startswith("datasets/")


def test_a_trial_without_a_parent_has_none_in_its_context(world, do) -> None:
    context = do(context_of, world.trial(world.search(), hyperparameters=None))
    assert context.hyperparameters is None
    assert (context.parent_id, context.parent_number, context.parent_value) == (None, None, None)
    assert (context.parent_architecture, context.parent_weights) == (None, None)


def test_a_trial_of_a_deleted_search_has_no_context(world, do) -> None:
    owner = world.caller()
    search = world.search(owner)
    trial = world.trial(search)
    with world.sessions.begin() as session:
        searches.remove(session, owner, search)
    assert do(context_of, trial) is None


def test_the_time_elapsed_is_counted_from_the_start_of_the_search(world, do) -> None:
    search = world.search(status=SearchStatus.PENDING)
    trial = world.trial(search)
    assert do(context_of, trial).elapsed == 0
    world.set(Search, search, started_at=func.now() - timedelta(seconds=600))
    assert do(context_of, trial).elapsed == pytest.approx(600, abs=60)


def test_epochs_are_left_of_those_reserved_only_under_a_budget_in_epochs(world, do) -> None:
    columns = {"epochs_reserved": 5, "epochs_spent": 2}
    limited = world.trial(world.search(budget=Budget(epochs=20)), **columns)
    unlimited = world.trial(world.search(), **columns)
    left = [do(context_of, trial).epochs_left for trial in (limited, unlimited)]
    assert left == [3, None]


@pytest.fixture
def held(world: Any, take: Any) -> Held:
    """A lease of a trial that must end within 100 seconds."""
    trial = world.trial(world.search())
    held: Held = take()
    world.set(Lease, trial, stop_at=func.now() + timedelta(seconds=100))
    return held


def seconds_left(world: Any, held: Held) -> float:
    """The seconds until the worker of a lease is told to stop."""
    with world.sessions.begin() as session:
        lease = session.get_one(Lease, held.trial_id)
        return float((lease.stop_at - session.scalar(func.now())).total_seconds())


@pytest.mark.parametrize(("limit", "left"), [(50.0, 50), (0.5, 0.5), (200.0, 100), (None, 100)])
def test_settling_keeps_the_hyperparameters_and_only_brings_the_stop_forward(
    world, do, held, limit, left
) -> None:
    do(train_orders.settle, held, CHOSEN, limit)
    stored = Hyperparameters.model_validate(world.get(held.trial_id).hyperparameters)
    assert stored == CHOSEN
    assert seconds_left(world, held) == pytest.approx(left, abs=20)


def test_a_lease_without_a_limit_gets_one(world, do, held) -> None:
    world.set(Lease, held.trial_id, stop_at=None)
    do(train_orders.settle, held, CHOSEN, 50.0)
    assert seconds_left(world, held) == pytest.approx(50, abs=20)


def test_a_lease_that_has_ended_settles_nothing(world, do, held) -> None:
    """Another attempt may be trained by now."""
    do(train_orders.settle, Held(held.trial_id, held.attempt, uuid4()), CHOSEN, 1.0)
    assert world.get(held.trial_id).hyperparameters == {"epochs": 3}
    assert seconds_left(world, held) == pytest.approx(100, abs=20)


def test_gains_are_those_of_inheriting_children_at_their_rung_over_their_parent(world, do) -> None:
    search = world.search()
    parent = world.trial(search, value=0.5, weights_key="weights/0")
    without_value = world.trial(search, weights_key="weights/1")
    child = {
        "parent_id": parent, "inherited": True, "morphisms": [{"text": "", "data": {}}],
        "value": 0.9, "value_at_rung": 0.625,
    }  # fmt: skip
    world.trial(search, **child)
    others: list[dict[str, Any]] = [
        {"inherited": False}, {"morphisms": []}, {"value_at_rung": None},
        {"parent_id": without_value}, {"kind": TrialKind.FINAL},
    ]  # fmt: skip
    for changes in others:
        world.trial(search, **(child | changes))

    assert do(train_orders.gains_at_rung, search) == [0.125]
    assert do(train_orders.gains_at_rung, world.search()) == []


def test_the_choices_of_a_trial_are_in_its_context(world, do) -> None:
    trial = world.trial(world.search(), choices={"mixing": 0.2})
    assert do(context_of, trial).choices.mixing == 0.2
    world.set(Trial, trial, choices={})
    assert do(context_of, trial).choices.mixing is None
