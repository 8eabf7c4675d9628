"""Networks that users enqueue: which are taken, and how they become trials."""

from types import SimpleNamespace

import pytest
from sqlalchemy import func

from api.controller import service
from api.models.searches import Search
from api.store import enqueued
from api.store.errors import Conflict, NotFound
from core.errors import InvalidInput
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.states import SearchStatus, TrialStatus


@pytest.fixture
def add(world):
    """Enqueues a network as its owner does."""

    def run(caller, search, network):
        with world.sessions.begin() as session:
            return enqueued.add(session, caller, search, network)

    return run


@pytest.fixture
def advance(world):
    """Carries out what is due; the counts of the suggestions that were requested."""
    requested = []
    proposer = SimpleNamespace(
        request=lambda search, count: requested.append(count), requested=lambda search_id: 0
    )

    def run():
        requested.clear()
        service.advance(world.sessions, proposer)
        return list(requested)

    return run


def test_a_network_becomes_the_next_trial_with_its_weights(world, add, advance, calls) -> None:
    caller = world.caller()
    search = world.search(caller, budget=Budget(trials=3), parallelism=1)
    for _ in range(2):
        world.trial(search, status="completed", value=0.5, ended_at=func.now(), report_digest=b"")
    network = world.network(caller)
    for _ in range(2):  # the same again changes nothing
        assert add(caller, search, network).trial_id is None

    assert advance() == []  # nothing is suggested in its place

    trial = world.trials(search)[-1]
    assert (trial.number, trial.status, trial.network_id) == (2, TrialStatus.WAITING, network)
    assert add(caller, search, network).number == 2
    order = calls.lease(world.worker())
    assert order.trial_id == trial.id
    assert order.parent_weights is not None
    assert order.raw_inputs
    world.audit()


def test_a_network_waits_until_the_roots_have_raced_and_a_slot_is_free(world, add, advance) -> None:
    caller = world.caller()
    search = world.search(caller, budget=Budget(trials=50), parallelism=1)
    add(caller, search, world.network(caller))
    assert advance() == [1]
    assert world.trials(search) == []
    world.trial(search)
    assert advance() == []
    assert len(world.trials(search)) == 1


def test_what_cannot_become_a_trial_is_refused(world, add) -> None:
    caller = world.caller()
    search = world.search(caller)
    network = world.network(caller)
    spec: DatasetSpec = world.dataset_spec()
    other = roots(spec.model_copy(update={"classes": 3}), Bounds())[0]
    with pytest.raises(InvalidInput, match="3 outputs; expected 10"):
        add(caller, search, world.network(caller, other))
    same = roots(spec, Bounds())[0].fingerprint
    number = world.get(world.trial(search, fingerprint=same)).number
    with pytest.raises(Conflict, match=f"trial {number} of the search has this architecture"):
        add(caller, search, network)
    ended = world.search(caller)
    world.set(Search, ended, status=SearchStatus.COMPLETED)
    with pytest.raises(Conflict, match="extend a completed or stopped one first"):
        add(caller, ended, network)


def test_a_network_can_be_withdrawn_until_it_has_its_trial(world, add, advance) -> None:
    caller = world.caller()
    search = world.search(caller, parallelism=3)
    for _ in range(3):
        world.trial(search, status="completed", value=0.5, ended_at=func.now(), report_digest=b"")
    kept, other = world.network(caller), world.network(caller, weights=False)
    add(caller, search, kept)
    with pytest.raises(Conflict, match="of the same architecture waits already"):
        add(caller, search, other)  # equal networks make one trial, not two

    def withdraw(network, who=caller):
        with world.sessions.begin() as session:
            enqueued.withdraw(session, who, search, network)

    with pytest.raises(NotFound, match="is not enqueued"):
        withdraw(other)
    with pytest.raises(NotFound, match="no search"):
        withdraw(kept, world.caller())
    withdraw(kept)
    add(caller, search, other)
    with world.sessions.begin() as session:
        assert [one.network_id for one in enqueued.listing(session, caller, search)] == [other]
    advance()
    assert [one.network_id for one in world.trials(search)][3:] == [other]
    with pytest.raises(Conflict, match="is trial 3 of the search already"):
        withdraw(other)
