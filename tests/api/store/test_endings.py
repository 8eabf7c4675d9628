"""How attempts end, against the real database."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.models import Search, Trial
from api.store import endings, leases
from core.protocol.contracts import Budget, Comparison, TestMetrics, TrialResult
from core.protocol.states import LIVE_TRIAL, TRIAL_SOURCES, SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, epoch_of

COMPARED = Comparison(examples=250, before=0.905, after=None, exported="winner", reason="NaN")


def test_a_result_ends_the_trial_as_reported(world, take, report) -> None:
    search = world.search()
    for status in ("completed", "stopped", "infeasible", "failed"):
        trial = world.trial(search)

        assert report(take(), status, retry=False, reason="so it was", epochs=3) == status

        row = world.get(trial)
        assert (row.status, row.reason, row.epochs_spent) == (status, "so it was", 3)
    world.audit()


def test_a_completed_trial_keeps_its_value_and_weights(world, take, report) -> None:
    trial = world.trial(world.search())
    weights = world.blob()

    report(take(), value=0.75, value_std=0.01, weights=weights, best_epoch=2, seconds=3.5)

    row = world.get(trial)
    assert (row.value, row.value_std, row.best_epoch, row.seconds) == (0.75, 0.01, 2, 3.5)
    assert (row.weights_key, row.weights_bytes) == (weights.key, weights.bytes)


def test_a_result_keeps_how_it_was_computed_and_compared(world, take, report) -> None:
    trial = world.trial(world.search())

    report(take(), validation_loss=0.25, precision="bf16 channels-last", comparison=COMPARED)

    row = world.get(trial)
    assert (row.validation_loss, row.precision) == (0.25, "bf16 channels-last")
    assert Comparison.model_validate(row.comparison) == COMPARED


def test_a_comparison_is_changed_to_what_the_database_can_store(world, take, report) -> None:
    trial = world.trial(world.search())
    strange = COMPARED.model_copy(update={"examples": 10**30, "reason": "a\0b"})

    assert report(take(), precision="\0", comparison=strange) is TrialStatus.COMPLETED

    row = world.get(trial)
    assert (row.precision, row.comparison["reason"]) == (None, "ab")
    assert row.comparison["examples"] == 2**31 - 1


@pytest.mark.parametrize("status", ["failed", "infeasible"])
def test_a_trial_without_an_outcome_keeps_no_measurements(world, take, report, status) -> None:
    trial = world.trial(world.search())
    measured = {"validation_loss": 0.25, "precision": "fp32", "comparison": COMPARED}

    report(take(), status, retry=False, seconds=2.5, **measured)

    row = world.get(trial)
    assert (row.validation_loss, row.precision, row.comparison) == (None, None, None)
    assert row.seconds == 2.5


def test_a_result_counts_once(world, take, report) -> None:
    trial = world.trial(world.search())
    held = take()

    assert report(held, value=0.5) is TrialStatus.COMPLETED
    assert report(held, value=0.9) is None
    assert world.get(trial).value == 0.5


def test_of_many_reports_at_once_one_counts(world, take, report) -> None:
    trial = world.trial(world.search())
    held = take()
    counted: list[Any] = []
    threads = [
        threading.Thread(target=lambda v=v: counted.append(report(held, value=v / 10)))
        for v in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, counted)) == ["None"] * 5 + ["completed"]
    assert world.get(trial).status == TrialStatus.COMPLETED
    world.audit()


def test_a_failed_attempt_is_tried_again_until_attempts_are_used_up(world, take, report) -> None:
    trial = world.trial(world.search())
    statuses = []
    for attempt in (1, 2, 3):
        world.set(Trial, trial, available_at=world.get(trial).created_at)
        held = take()
        assert held.attempt == attempt
        statuses.append(report(held, "failed", reason="the trainer died"))

    assert statuses == [TrialStatus.WAITING, TrialStatus.WAITING, TrialStatus.FAILED]
    assert world.get(trial).reason == "the trainer died"
    world.audit()


def test_a_late_result_of_an_earlier_attempt_does_not_count(world, do, take, report) -> None:
    trial = world.trial(world.search())
    late = take()
    world.overdue(trial)
    do(endings.expire, 3)
    assert report(late, value=0.9) is None
    held = take()
    assert report(late, value=0.9) is None

    assert report(held, value=0.4) is TrialStatus.COMPLETED
    assert world.get(trial).value == 0.4


def test_an_overdue_trial_is_tried_again_until_it_is_lost(world, do, take) -> None:
    trial = world.trial(world.search())
    for _ in range(3):
        held = take(trial)
        world.overdue(trial)
        assert do(endings.expire, 3) == 1
        world.audit()

    row = world.get(trial)
    assert (held.attempt, row.status) == (3, TrialStatus.LOST)
    assert row.reason == "worker sent no more reports (attempt 3)"


def test_a_lease_that_is_alive_does_not_expire(world, do, take) -> None:
    world.trial(world.search())
    take()

    assert do(endings.expire, 3) == 0


def test_results_in_a_search_that_has_ended_count_as_stopped(world, take, report) -> None:
    search = world.search()
    sent = ("completed", "failed", "infeasible", "stopped")
    held = [take(world.trial(search)) for _ in sent]
    world.set(Search, search, status=SearchStatus.STOPPED)

    ended = [report(lease, status) for lease, status in zip(held, sent, strict=True)]

    assert ended == [TrialStatus.STOPPED] * len(sent)


def test_a_trial_whose_worker_died_in_a_stopped_search_is_stopped(world, do, take) -> None:
    search = world.search()
    trial = world.trial(search)
    take()
    world.set(Search, search, status=SearchStatus.STOPPED)
    world.overdue(trial)

    do(endings.expire, 3)

    assert world.get(trial).status == TrialStatus.STOPPED


def test_attempts_of_a_trial_share_the_epochs_it_has_reserved(world, do, take) -> None:
    search = world.search(budget=Budget(epochs=10))
    trial = world.trial(search, epochs_reserved=5)
    held = take()
    do(leases.epoch, trial, epoch_of(held, 4), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)
    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.WAITING, 4)

    held = take()
    do(leases.epoch, trial, epoch_of(held, 1), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)

    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.LOST, 5)
    world.audit()


def test_weights_of_many_gigabytes_keep_their_size(world, take, report) -> None:
    world.trial(world.search())
    held = take()
    report(held, weights=world.blob().model_copy(update={"bytes": 2**40}))

    assert world.get(held.trial_id).weights_bytes == 2**40


def test_every_ending_leaves_a_live_status_alone(world) -> None:
    """The statements must not end what has ended: the table says what may be left."""
    assert all(sources <= LIVE_TRIAL for sources in TRIAL_SOURCES.values())


def test_every_field_of_a_result_that_has_a_column_is_kept(world, take, report) -> None:
    """A field that is added to the message and to the table is kept without another list."""
    trial = world.trial(world.search())
    sent = {
        "value_std": 0.01, "validation_loss": 0.25, "value_at_rung": 0.4, "precision": "fp32",
        "best_epoch": 2, "seconds": 9.5, "samples_per_second": 100.0, "latency": 0.001,
    }  # fmt: skip
    weights, export = world.blob(), world.blob("exports")
    test = TestMetrics(metric=0.9, loss=0.3, examples=360)

    report(take(), value=0.5, weights=weights, export=export, test=test, parameters=7, **sent)

    row = world.get(trial)
    assert {name: getattr(row, name) for name in sent} == sent
    assert (row.weights_key, row.weights_bytes) == (weights.key, 10)
    assert (row.export_key, row.export_bytes) == (export.key, 10)
    assert (row.test_metric, row.test_loss, row.test_examples) == (0.9, 0.3, 360)
    assert row.parameters == 100  # of the architecture, not of the report
    columns = set(Trial.__table__.columns.keys())
    assert set(sent) <= TrialResult.model_fields.keys() & columns


def test_a_retry_of_a_failed_attempt_waits_longer_each_time(world, take, report) -> None:
    trial = world.trial(world.search())
    pauses = []
    for _ in range(2):
        world.set(Trial, trial, available_at=text("now()"))
        report(take(), "failed", attempts=9)
        row = world.get(trial)
        assert (row.available_at, row.rings) == (row.ring_at, 0)
        with world.sessions.begin() as session:
            left = text("SELECT extract(epoch FROM available_at - now()) FROM trials")
            pauses.append(round(float(session.scalar(left))))
    assert pauses == [2, 4]


def test_the_task_of_a_trial_is_that_of_its_search(world, do) -> None:
    trial = world.trial(world.search())
    assert do(endings.task_of, trial) == "image-classification"
    assert do(endings.task_of, uuid4()) is None
