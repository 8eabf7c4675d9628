"""Exports of single trials: who gets one of what, how it goes, and where it counts: nowhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from api.controller import orders
from api.models.blobs import Damaged, Discarded
from api.models.datasets import Dataset
from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.roles import Role
from api.schemas.exports import TrialExportOut
from api.store import (
    compute,
    discarded,
    dispatch,
    endings,
    enqueued,
    live_searches,
    retention,
    running_trials,
    searches,
    setbacks,
    summaries,
    training_reports,
    trial_exports,
    trial_tables,
    trials,
    waiting_trials,
    waits,
    workers,
)
from api.store.errors import Conflict, NotFound, QuotaExceeded
from api.store.trial_tables import Arrangement
from core.graph.roots import roots
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.reports import Action
from core.protocol.contracts.results import TestMetrics
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from tests.api.store.reports import LEASE, beat, handed_back

ENDED = {SearchStatus.COMPLETED, SearchStatus.STOPPED, SearchStatus.FAILED}
Order = Callable[..., TrialExportOut]


@pytest.fixture
def owner(world: Any) -> Any:
    return world.caller()


@pytest.fixture
def search(world: Any, owner: Any) -> UUID:
    return world.search(owner, budget=Budget(trials=4))


@pytest.fixture
def trained(world: Any, search: UUID) -> UUID:
    """Trial 1 of the search, which has weights; trial 0 is its parent."""
    return trial_with_weights(world, search, parent_id=trial_with_weights(world, search))


def trial_with_weights(world: Any, search: UUID, **columns: Any) -> UUID:
    blob = world.blob()
    ended = {"status": "completed", "value": 0.5, "ended_at": text("now()"), "seconds": 10.0}
    kept = {"weights_key": blob.key, "weights_bytes": blob.bytes, "report_digest": b"digest"}
    return world.trial(search, **ended, **kept, **columns)


@pytest.fixture
def order(world: Any, owner: Any) -> Order:
    """Orders the export of a trial."""

    def run(
        trial_id: UUID,
        caller: Any = None,
        most: int = 9,
        is_intact: Callable[[BlobRef], bool] = lambda blob: True,
    ) -> TrialExportOut:
        with world.sessions.begin() as session:
            by = caller or owner
            return trial_exports.order(session, by, trial_id, most=most, is_intact=is_intact)

    return run


def exports_of(world: Any, search: UUID) -> list[Trial]:
    return [trial for trial in world.trials(search) if trial.kind == TrialKind.EXPORT]


def as_made(world: Any) -> dict[str, Any]:
    """What a worker reports of an export that it has made."""
    return {
        "value": None,
        "weights": None,
        "test": TestMetrics(metric=0.9, std=0.01, loss=0.2, examples=100),
        "export": world.blob("exports"),
    }


def move(world: Any, search: UUID, *steps: SearchStatus) -> None:
    with world.sessions.begin() as session:
        for step in steps:
            assert searches.move(session, search, step)


# --- what is ordered ---------------------------------------------------------------------------


def test_an_order_makes_one_export_however_often_it_is_sent(world, search, trained, order) -> None:
    first, again = order(trained), order(trained)

    assert first == again
    assert (first.trial_id, first.number, first.status) == (trained, 1, "waiting")
    (export,) = exports_of(world, search)
    assert (export.parent_id, export.number) == (trained, -2)
    world.audit()


def test_orders_at_the_same_time_make_one_export(world, search, trained, order) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: order(trained), range(8)))

    assert len({one.created_at for one in found}) == 1
    assert len(exports_of(world, search)) == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "trial 0 is waiting and has no weights yet: wait for its end"),
        (
            {"status": "failed", "reason": "a segfault", "ended_at": text("now()")},
            r"trial 0 is failed \(a segfault\) and has left no weights: export another trial",
        ),
        (
            {"status": "infeasible", "reason": "the loss is NaN", "ended_at": text("now()")},
            r"trial 0 is infeasible \(the loss is NaN\) and has left no weights",
        ),
        (
            {"status": "stopped", "ended_at": text("now()")},
            "trial 0 is stopped and has left no weights",
        ),
        (
            {"status": "completed", "value": 0.5, "ended_at": text("now()")},
            r"the weights of trial 0 were given up.*\(NETMORPH_KEEP_BEST\)",
        ),
        ({"kind": "final"}, "trial 0 is a final fit, which is exported as the network of its"),
    ],
)
def test_a_trial_without_weights_is_refused_with_the_reason(
    world, search, order, columns, message
) -> None:
    trial = world.trial(search, **columns)

    with pytest.raises(Conflict, match=message):
        order(trial)
    assert exports_of(world, search) == []


def test_a_stopped_trial_with_weights_is_exported(world, search, order) -> None:
    stopped = trial_with_weights(world, search)
    world.set(Trial, stopped, status="stopped", value=None)

    assert order(stopped).status is TrialStatus.WAITING


@pytest.mark.parametrize("what", ["weights", "the data set"])
def test_damaged_files_are_refused_with_the_way_to_repair_them(
    world, search, trained, order, what
) -> None:
    dataset = world.get_search(search).dataset_id
    with world.sessions.begin() as session:
        weights = session.get_one(Trial, trained).weights_key
        key = weights if what == "weights" else session.get_one(Dataset, dataset).blob_key
        session.add(Damaged(blob_key=key, reason="nothing is stored there"))

    with pytest.raises(Conflict, match=f"{what}.* cannot be read from storage: nothing is stored"):
        order(trained)


def test_an_export_is_no_trial_to_export_or_to_look_at(world, search, trained, order) -> None:
    order(trained)
    (export,) = exports_of(world, search)

    with pytest.raises(NotFound):
        order(export.id)
    with world.sessions() as session, pytest.raises(NotFound):
        trials.get(session, world.caller(Role.ADMIN), export.id)


def test_the_exports_on_their_way_have_a_quota_which_admins_have_not(world, search, order) -> None:
    made = [trial_with_weights(world, search) for _ in range(3)]
    order(made[0], most=2), order(made[1], most=2)

    with pytest.raises(QuotaExceeded, match="2 of your exports are on their way"):
        order(made[2], most=2)
    assert order(made[1], most=2).status is TrialStatus.WAITING  # it is there already
    assert order(made[2], caller=world.caller(Role.ADMIN), most=2).status is TrialStatus.WAITING


# --- its way -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (SearchStatus.PAUSED,),
        (SearchStatus.STOPPED,),
        (SearchStatus.FINISHING, SearchStatus.COMPLETED),
        (SearchStatus.FAILED,),
    ],
)
def test_an_export_is_made_in_every_state_of_its_search_and_leaves_it(
    world, do, search, trained, order, take, report, steps
) -> None:
    """Whether the search gets there before or after the order."""
    later = trial_with_weights(world, search)
    order(trained)
    move(world, search, *steps)
    before = world.get_search(search)
    order(later)
    assert len(do(dispatch.claim)) == 2
    for trial in (trained, later):
        held = take()
        assert (
            do(training_reports.heartbeat, held.trial_id, beat(held), LEASE).action
            is Action.CONTINUE
        )
        assert report(held, **as_made(world)) is TrialStatus.COMPLETED
        with world.sessions.begin() as session:
            found = trial_exports.state(session, world.caller(Role.ADMIN), trial)
        assert (found.status, found.test_metric, found.test_examples) == ("completed", 0.9, 100)

    with world.sessions.begin() as session:
        assert searches.left_waiting(session) == []
    after = world.get_search(search)
    assert (after.status, after.ended_at, after.next_number) == (
        before.status, before.ended_at, before.next_number
    )  # fmt: skip


def test_a_worker_of_an_earlier_release_gets_no_export(world, do, trained, order) -> None:
    order(trained)
    earlier = world.worker().model_copy(update={"exports": False})

    assert do(orders.lease, earlier, LEASE, 3) is None
    assert do(orders.lease, world.worker(), LEASE, 3).kind is TrialKind.EXPORT


def test_the_order_has_the_weights_of_the_trial_and_its_splits(world, do, search, order) -> None:
    architecture = roots(world.dataset_spec(), Bounds())[0].to_json()
    planned = {"epochs": 7, "max_seconds": 20.0, "split_seed": 5, "validation_fraction": 0.3}
    parent = trial_with_weights(world, search)
    trained = trial_with_weights(
        world, search, parent_id=parent, inherited=True, architecture=architecture,
        hyperparameters=planned, value_std=0.02,
        morphisms=[{"text": "widen convolution 3", "data": {"kind": "widen"}}],
    )  # fmt: skip
    world.set(Search, search, config=world.get_search(search).config | {"int8": True})
    order(trained)

    found: TrainOrder = do(orders.lease, world.worker(), LEASE, 3)

    weights = world.get(trained).weights_key
    assert (found.kind, found.number, found.fresh, found.int8) == ("export", 1, False, True)
    assert (found.architecture, found.parent_architecture) == (architecture, architecture)
    assert (found.parent_weights.key, found.morphisms, found.raw_inputs) == (weights, (), False)
    h = found.hyperparameters
    assert (h.split_seed, h.validation_fraction, h.max_seconds) == (5, 0.3, None)
    card = found.history
    assert (card["of_number"], card["validation"], card["validation_std"]) == (1, 0.5, 0.02)
    assert card["lineage"] == ["trial 0: a root", "trial 1: widen convolution 3"]
    assert (card["trials_completed"], card["kept"]) == (2, "")


def test_the_export_of_a_worker_that_dies_is_made_by_another(
    world, do, search, trained, order, take
) -> None:
    """Also in a paused search with a budget in epochs, whose trials would wait or be lost."""
    world.set(Search, search, epoch_limit=100)
    order(trained)
    move(world, search, SearchStatus.PAUSED)
    held = take()
    world.overdue(held.trial_id)

    assert do(endings.expire, 3) == 1

    (export,) = exports_of(world, search)
    assert (export.status, export.attempt) == ("waiting", 2)
    assert take().trial_id == export.id


def test_an_export_that_is_handed_back_in_an_ended_search_waits_for_another_worker(
    world, do, search, trained, order, take
) -> None:
    order(trained)
    move(world, search, SearchStatus.STOPPED)
    held = take()

    assert do(endings.hand_back, held.trial_id, handed_back(held))
    assert take().attempt == held.attempt


def test_an_export_that_has_failed_is_made_again_by_the_next_order(
    world, search, trained, order, take, report
) -> None:
    order(trained)
    assert report(take(), "failed", reason="it errs", retry=False) is TrialStatus.FAILED
    with world.sessions.begin() as session:
        admin = world.caller(Role.ADMIN)
        assert trial_exports.state(session, admin, trained).reason == "it errs"
        with pytest.raises(NotFound, match=r"trial 1 is failed \(it errs\): order it again"):
            trial_exports.blob_of(session, admin, trained)

    assert order(trained).status is TrialStatus.WAITING
    assert len(exports_of(world, search)) == 1


def test_an_export_whose_file_is_lost_is_made_again_by_the_next_order(
    world, search, trained, order, take, report
) -> None:
    order(trained)
    report(take(), **as_made(world))

    assert order(trained).status is TrialStatus.COMPLETED
    assert order(trained, is_intact=lambda blob: False).status is TrialStatus.WAITING
    assert take() is not None


def test_an_export_fails_where_its_weights_turn_out_to_be_damaged(
    world, do, search, trained, order
) -> None:
    """No other weights may take their place, as they do for a training."""
    order(trained)
    blob = world.get(trained).weights_key
    with world.sessions.begin() as session:
        session.add(Damaged(blob_key=blob, reason="the hash is wrong"))

    assert do(orders.lease, world.worker(), LEASE, 3) is None

    (export,) = exports_of(world, search)
    assert export.status == "failed"
    assert export.reason.startswith("the weights of trial 1 cannot be read from storage: the hash")


def test_an_export_waits_while_storage_does_not_work(
    world, do, search, trained, order, take
) -> None:
    order(trained)
    move(world, search, SearchStatus.STOPPED)
    held = take()
    full = world.result(held, "failed", reason="the disk is full", setback=True)

    assert do(setbacks.end_attempt, held.trial_id, full, b"digest", 3) is TrialStatus.WAITING
    with world.sessions.begin() as session:
        found = trial_exports.state(session, world.caller(Role.ADMIN), trained)
    assert "(the disk is full)" in found.reason


def test_a_waiting_export_says_what_it_waits_for(world, trained, order) -> None:
    assert order(trained).reason.startswith("no worker is connected")


# --- what it leaves alone ----------------------------------------------------------------------


def counts(world: Any, owner: Any, search: UUID) -> dict[str, Any]:
    """Everything that lists or counts the trials of a search."""
    with world.sessions.begin() as session:
        out = searches.get(session, owner, search)
        live = live_searches.progress(session, search)
        return {
            "out": out.model_copy(update={"version": 0, "now": None, "used": None}),
            "used": (out.used.trials, out.used.epochs),
            "progress": live and replace(live, elapsed=0.0),
            "past": live_searches.past(session, search),
            "listing": trials.listing(session, owner, search),
            "table": trial_tables.every(session, search, Arrangement()),
            "count": trial_tables.count(session, search, Arrangement()),
            "points": trials.points(session, search),
            "number": trials.count(session, search),
            "values": trials.with_value(session, search),
            "running": running_trials.of_search(session, search),
            "waits": waits.reasons(session, [search]),
            "shares": compute.shares(session, [search]),
            "summary": [one.trial_counts for one in summaries.of(
                session, [session.get_one(Search, search)]
            )],
        }  # fmt: skip


def test_an_export_counts_nowhere_while_it_waits_runs_and_when_it_is_there(
    world, owner, search, trained, order, take, report
) -> None:
    final = world.blob("exports")
    world.trial(
        search, kind="final", parent_id=trained, inherited=True, seconds=5.0, status="completed",
        test_metric=0.9, test_loss=0.2, test_examples=10, ended_at=text("now()"),
        export_key=final.key, export_bytes=9, report_digest=b"digest",
    )  # fmt: skip
    before = counts(world, owner, search)
    order(trained)
    (export,) = exports_of(world, search)
    world.set(Trial, export.id, available_at=text("now() - interval '1 h'"))
    assert counts(world, owner, search) == before
    held = take()
    assert counts(world, owner, search) == before
    report(held, **as_made(world), seconds=99.0)
    assert counts(world, owner, search) == before
    world.audit()


def test_a_network_of_the_architecture_of_an_exported_trial_is_that_trial(
    world, owner, search, order
) -> None:
    architecture = roots(world.dataset_spec(), Bounds())[0]
    network = world.network(owner, architecture)
    made = trial_with_weights(
        world, search, fingerprint=architecture.fingerprint, network_id=network
    )
    order(made)

    with world.sessions.begin() as session:
        assert enqueued.add(session, owner, search, network).trial_id == made


def test_the_queue_names_the_exported_trial_also_of_a_paused_search(
    world, owner, search, trained, order
) -> None:
    world.trial(search)
    order(trained)
    move(world, search, SearchStatus.PAUSED)

    with world.sessions.begin() as session:
        known = waiting_trials.capacity(session)
        (export, trial), total = waiting_trials.queue(session, owner, 10, known)
        stats = waiting_trials.stats(session, owner)

    assert (export.kind, export.trial_id, export.number) == ("export", trained, 1)
    assert export.reason.startswith("no worker is connected")
    assert (trial.kind, trial.number, trial.reason) == ("search", 2, "its search is paused")
    assert (total, stats.waiting) == (2, 1)


def test_a_worker_is_shown_with_the_trial_that_it_exports(
    world, owner, trained, order, take
) -> None:
    order(trained)
    take()

    with world.sessions.begin() as session:
        (worker,) = workers.listing(session, owner)
    assert worker.trial_id == trained


# --- retention ---------------------------------------------------------------------------------


def test_weights_stay_while_an_export_needs_them_and_the_export_stays_without_them(
    world, search, trained, order, take, report
) -> None:
    best = trial_with_weights(world, search)
    world.set(Trial, best, value=0.9)
    move(world, search, SearchStatus.STOPPED)
    order(trained)
    with world.sessions.begin() as session:
        assert retention.give_up_weights(session, 1, search) == 0
    made = as_made(world)
    report(take(), **made)
    with world.sessions.begin() as session:
        assert retention.give_up_weights(session, 1, search) == 2
        assert retention.unreferenced(session, [made["export"]]) == []

    assert order(trained).status is TrialStatus.COMPLETED
    assert world.get(trained).weights_key is None


def test_deleting_a_search_deletes_its_exports_with_their_files_and_leases(
    world, owner, search, trained, order, take, report
) -> None:
    other = trial_with_weights(world, search)
    order(trained), order(other)
    made = as_made(world)
    report(take(), **made)
    take()

    with world.sessions.begin() as session:
        searches.remove(session, owner, search)

    with world.sessions.begin() as session:
        assert made["export"].key in session.scalars(select(Discarded.blob_key)).all()
        assert made["export"].key in {blob.key for blob in discarded.unneeded(session)}
        assert session.scalars(select(Lease)).all() == []
        assert session.scalars(select(Trial)).all() == []
