"""Train orders: who gets one, and all that training needs, decided when the trial is leased."""

import json
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import select

from api.controller.orders import GRACE, choose, continued, trial_seed
from api.models.leases import Lease
from api.models.networks import Network
from api.models.searches import Search
from api.models.trials import Trial
from api.store import endings, training_reports
from api.store.errors import Conflict, NotFound
from core.graph.roots import roots
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.train_orders import Member
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from tests.api.store.reports import LEASE, checkpoint_of, context_of, epoch_of


def test_nothing_waits_and_unknown_trials_are_distinguished(world, calls) -> None:
    trial = world.trial(world.search())
    assert calls.lease(world.worker(), trial) is not None

    assert calls.lease(world.worker()) is None
    assert calls.lease(world.worker(), trial) is None
    with pytest.raises(NotFound):
        calls.lease(world.worker(), uuid4())


def test_a_repeated_lease_request_gets_the_same_order(world, calls) -> None:
    search = world.search()
    first = world.trial(search)
    other = world.trial(search)
    worker = world.worker()
    order = calls.lease(worker, first)

    assert calls.lease(worker) == order
    assert calls.lease(worker, other) == order


def test_a_worker_that_restarts_gets_its_trial_as_another_attempt(world, calls) -> None:
    trial = world.trial(world.search())
    worker = world.worker()
    first = calls.lease(worker)
    world.led()

    second = calls.lease(worker.model_copy(update={"boot_id": uuid4()}))

    assert (first.attempt, second.attempt) == (1, 2)
    assert first.token != second.token
    with pytest.raises(Conflict):
        calls.result(trial, world.result(first))


def test_a_trial_for_which_no_order_can_be_made_fails_and_blocks_nobody(world, calls) -> None:
    broken, good = world.search(), world.search()
    world.set(Search, broken, config={"what": "is this"})
    poison, other = world.trial(broken), world.trial(good)
    worker = world.worker()

    assert calls.lease(worker) is None
    assert calls.lease(worker).trial_id == other

    row = world.get(poison)
    assert row.status == TrialStatus.FAILED
    assert "no order could be made: ValidationError" in row.reason
    world.audit()


def test_an_order_has_all_that_training_needs(world, calls) -> None:
    search = world.search()
    weights = world.blob()
    parent = world.trial(
        search, status="completed", value=0.5, weights_key=weights.key, weights_bytes=10,
        architecture={"version": 1, "nodes": ["the parent's"]},
    )  # fmt: skip
    step = {"text": "widen", "data": {"kind": "widen", "extra": 4}}
    trial = world.trial(
        search, parent_id=parent, inherited=True, morphisms=[step],
        hyperparameters={"epochs": 7},
    )  # fmt: skip

    order = calls.lease(world.worker())

    assert order is not None
    assert (order.trial_id, order.search_id, order.number) == (trial, search, 1)
    assert (order.kind, order.attempt, order.lease_seconds) == (TrialKind.SEARCH, 1, 30.0)
    assert order.parent_weights == weights
    assert order.parent_architecture == {"version": 1, "nodes": ["the parent's"]}
    assert order.morphisms == ({"kind": "widen", "extra": 4},)
    assert order.hyperparameters.epochs == 7
    assert order.dataset_spec == world.dataset_spec()
    assert order.seed == trial_seed(0, 1) != trial_seed(0, 0)


def test_with_a_budget_in_seconds_training_is_decided_by_the_time_left(world, calls) -> None:
    search = world.search(budget=Budget(seconds=600), deadline=300.0)
    trial = world.trial(search, hyperparameters=None)

    order = calls.lease(world.worker())

    limit = order.hyperparameters.max_seconds
    assert limit is not None
    assert 0 < limit <= 300
    assert world.get(trial).hyperparameters == order.hyperparameters.model_dump(mode="json")
    with world.sessions.begin() as session:
        lease = session.get_one(Lease, trial)
        assert (lease.stop_at - lease.leased_at).total_seconds() <= limit + 11


def test_training_is_decided_by_the_speed_of_the_first_trained_trial(world, calls) -> None:
    """Where each example is seen less often than expected, it is changed less."""
    search = world.search(budget=Budget(seconds=600), deadline=300.0)
    (root, *_) = roots(world.dataset_spec(), Bounds())
    other = {"version": 1, "nodes": []}
    world.trial(search, status="failed", architecture=other)
    for architecture, factor in ((root.to_json(), 1e3), (other, 1.0)):
        speed = 1 / (factor * PRIOR_SPEED.seconds(root))
        world.trial(
            search, status="completed", value=0.5, architecture=architecture,
            samples_per_second=speed,
        )  # fmt: skip
    world.trial(search, hyperparameters=None)
    alone = world.search(budget=Budget(seconds=600), deadline=300.0)
    world.trial(alone, hyperparameters=None)

    slow, usual = (calls.lease(world.worker()).hyperparameters for _ in range(2))

    assert 0 < slow.mixing < usual.mixing


def test_the_order_of_a_final_fit_has_the_history_of_its_search(world, calls) -> None:
    search = world.search(status=SearchStatus.FINISHING, training=Training(final_epochs=9))
    root = world.trial(search, status="completed", value=0.5)
    best = world.trial(
        search, status="completed", value=0.7, value_std=0.01, parent_id=root,
        morphisms=[{"text": "widen convolution 3", "data": {"kind": "widen"}}],
    )  # fmt: skip
    world.trial(search, kind=TrialKind.FINAL, parent_id=best, hyperparameters=None)

    order = calls.lease(world.worker())

    assert (order.kind, order.hyperparameters.epochs) == (TrialKind.FINAL, 9)
    assert order.parent_weights is None
    assert order.history["of_number"] == 1
    assert order.history["validation"] == 0.7
    assert order.history["trials_completed"] == 2
    assert order.history["lineage"] == [
        "trial 0: a root",
        "trial 1: widen convolution 3",
    ]
    json.dumps(order.history)


def test_a_file_of_eight_bits_is_ordered_from_the_final_fit_alone(world, calls) -> None:
    search = world.search(status=SearchStatus.FINISHING, int8=True)
    waiting = world.trial(search)
    best = world.trial(search, status="completed", value=0.7)
    assert not calls.lease(world.worker()).int8
    world.set(Trial, waiting, status="stopped")
    world.trial(search, kind=TrialKind.FINAL, parent_id=best, hyperparameters=None)
    order = calls.lease(world.worker("another"))
    assert (order.kind, order.int8) == (TrialKind.FINAL, True)


def test_an_order_for_an_ensemble_has_its_networks_in_order(world, calls) -> None:
    search = world.search(status=SearchStatus.FINISHING)
    blobs = [world.blob() for _ in range(3)]
    made = [
        world.trial(
            search, status="completed", value=0.5, weights_key=blob.key, weights_bytes=10,
            architecture={"version": 1, "nodes": [number]}, seconds=10.0, epochs=8,
        )
        for number, blob in enumerate(blobs)
    ]  # fmt: skip
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=made[2], inherited=True, members=[2, 0],
        hyperparameters=None,
    )  # fmt: skip

    order = calls.lease(world.worker())

    assert order.parent_weights == blobs[2]
    assert order.members == (
        Member(architecture={"version": 1, "nodes": [2]}, weights=blobs[2]),
        Member(architecture={"version": 1, "nodes": [0]}, weights=blobs[0]),
    )
    assert order.history["members"] == [2, 0]


def test_a_retried_trial_gets_the_epochs_that_are_left_of_its_own(world, calls, do) -> None:
    trial = world.trial(world.search(budget=Budget(epochs=20)), epochs_reserved=5, epochs_spent=3)
    world.set(Trial, trial, hyperparameters={"epochs": 5})

    assert choose(do(context_of, trial)).epochs == 2


def test_a_worker_is_stopped_some_seconds_after_its_own_limit(world, calls) -> None:
    """The trainer keeps to the limit itself; the controller stops one that does not."""
    search = world.search(training=Training(trial_seconds=60))
    trial = world.trial(search, hyperparameters={"epochs": 3, "max_seconds": 60.0})
    world.set(Search, search, config=world.get_search(search).config | {"budget": {"seconds": 9e4}})

    order = calls.lease(world.worker())

    with world.sessions.begin() as session:
        lease = session.get_one(Lease, trial)
        given = (lease.stop_at - lease.leased_at).total_seconds()
    assert given == pytest.approx(order.hyperparameters.max_seconds + GRACE, abs=1)


def test_a_trial_is_seeded_by_its_search_and_its_number() -> None:
    seeds = [trial_seed(search, number) for search in (0, 1) for number in range(50)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize("inherits", [True, False])
def test_parent_and_morphisms_are_sent_where_weights_are_inherited(world, calls, inherits) -> None:
    search = world.search()
    weights = world.blob()
    parent = world.trial(
        search, status="completed", value=0.5, weights_key=weights.key, weights_bytes=10
    )
    world.trial(
        search,
        parent_id=parent,
        inherited=inherits,
        morphisms=[{"text": "widen", "data": {"kind": "widen"}}],
    )

    order = calls.lease(world.worker())

    sent = (order.parent_weights is not None, order.parent_architecture is not None)
    assert sent == (inherits, inherits)
    assert len(order.morphisms) == inherits
    assert not order.fresh


def interrupted(world, calls, do, search, **columns) -> None:
    """A trial whose first attempt has stored a checkpoint after two epochs and 8 s, and died."""
    trial = world.trial(search, **columns)
    first = calls.lease(world.worker(), trial)
    do(training_reports.checkpoint, trial, checkpoint_of(first, 2, seconds=8.0), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)


def test_an_order_continues_from_the_checkpoint_as_the_training_began(world, calls, do) -> None:
    interrupted(world, calls, do, world.search(), hyperparameters={"epochs": 7})
    order = calls.lease(world.worker())
    assert (order.attempt, order.checkpoint.epoch, order.checkpoint.seconds) == (2, 2, 8.0)
    assert order.hyperparameters.epochs == 7


def test_a_continued_training_ends_in_the_epochs_that_are_left(world, calls, do) -> None:
    """Three of seven are spent, two of them are in the checkpoint."""
    search = world.search(budget=Budget(epochs=20))
    trial = world.trial(search, hyperparameters={"epochs": 7}, epochs_reserved=7)
    first = calls.lease(world.worker(), trial)
    for epoch in (1, 2, 3):
        calls.epoch(trial, epoch_of(first, epoch))
    do(training_reports.checkpoint, trial, checkpoint_of(first, 2), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)
    assert calls.lease(world.worker()).hyperparameters.epochs == 2 + 4


def test_a_continued_training_has_the_time_that_is_left_beside_the_time_it_had(world) -> None:
    begun = Hyperparameters(epochs=9, max_seconds=100.0, learning_rate=0.5)
    chosen = Hyperparameters(epochs=5, max_seconds=30.0)
    done = Checkpoint(epoch=2, seconds=60.0, blob=world.blob("checkpoints"))

    def continued_with(**changes):
        fields = {"hyperparameters": begun, "checkpoint": done, "epochs_left": None} | changes
        return continued(SimpleNamespace(**fields), chosen)

    assert continued_with() == begun.model_copy(update={"max_seconds": 90.0})
    long_ago = done.model_copy(update={"seconds": 90.0})
    assert continued_with(checkpoint=long_ago) == begun
    assert continued_with(checkpoint=None) == chosen
    assert continued_with(hyperparameters=None) == chosen


def test_a_continued_training_is_stopped_when_its_time_is_up(world, calls, do) -> None:
    """The seconds before the checkpoint count, and the time between the attempts does not."""
    search = world.search(budget=Budget(seconds=3600))
    interrupted(world, calls, do, search, hyperparameters={"epochs": 9, "max_seconds": 60.0})
    order = calls.lease(world.worker())
    with world.sessions.begin() as session:
        lease = session.get_one(Lease, order.trial_id)
        seconds = (lease.stop_at - lease.leased_at).total_seconds()
    assert seconds == pytest.approx(order.hyperparameters.max_seconds - 8.0 + GRACE, abs=1.0)


def test_a_root_that_a_user_gave_starts_from_its_weights_and_no_other_trial(world, calls) -> None:
    owner = world.caller()
    search = world.search(owner, root=world.network(owner))
    with world.sessions.begin() as session:
        network = session.scalars(select(Network)).one()
    of_root = {"architecture": network.architecture, "fingerprint": network.fingerprint}
    root, repeated, other = (world.trial(search, **given) for given in (of_root, of_root, {}))

    for trial in (root, repeated):
        order = calls.lease(world.worker(), trial)
        assert order.raw_inputs
        assert order.parent_weights.key == network.blob_key
        assert order.parent_architecture == network.architecture == order.architecture
        assert order.morphisms == ()
    assert not calls.lease(world.worker(), other).raw_inputs


def test_a_root_without_weights_starts_at_random(world, calls) -> None:
    owner = world.caller()
    search = world.search(owner, root=world.network(owner, weights=False))
    with world.sessions.begin() as session:
        network = session.scalars(select(Network)).one()
    trial = world.trial(search, architecture=network.architecture, fingerprint=network.fingerprint)

    order = calls.lease(world.worker(), trial)

    assert (order.parent_weights, order.raw_inputs) == (None, False)
