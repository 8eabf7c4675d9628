"""Results of attempts, against the real database: checked, counted once, acknowledged."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch, Trial
from api.store import endings, training_reports
from api.store.errors import Conflict, NotFound
from api.store.results import credible, end_attempt
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.results import Comparison, ResultAnswer, TestMetrics, TrialResult
from core.protocol.states import SearchStatus, TrialStatus
from core.tasks import TASKS
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


def stored_epochs(world, trial) -> list[tuple[int, int, float | None]]:
    """Attempt, number and metric of each epoch of a trial."""
    columns = (Epoch.attempt, Epoch.epoch, Epoch.validation_metric)
    with world.sessions.begin() as session:
        found = session.execute(
            select(*columns).where(Epoch.trial_id == trial).order_by(Epoch.attempt, Epoch.epoch)
        )
        return [tuple(row) for row in found]


def last(*numbers: int) -> tuple[EpochMetrics, ...]:
    return tuple(
        EpochMetrics(epoch=number, seconds=number, validation_metric=number / 10)
        for number in numbers
    )


def test_a_result_brings_the_last_epochs(world, do, take, report) -> None:
    trial = world.trial(world.search())
    held = take()
    do(training_reports.epoch, trial, epoch_of(held, 1, validation_metric=0.5), LEASE)

    assert report(held, epochs=3, last_epochs=last(2, 3)) is TrialStatus.COMPLETED

    assert stored_epochs(world, trial) == [(1, 1, 0.5), (1, 2, 0.2), (1, 3, 0.3)]
    assert world.get(trial).epochs_spent == 3
    world.audit()


def test_the_last_epochs_of_a_failed_attempt_count_and_stay_its_own(world, take, report) -> None:
    trial = world.trial(world.search())
    assert report(take(), "failed", epochs=0, last_epochs=last(1, 2)) is TrialStatus.WAITING
    world.set(Trial, trial, available_at=text("now()"))
    assert report(take(), epochs=1, last_epochs=last(1)) is TrialStatus.COMPLETED

    assert stored_epochs(world, trial) == [(1, 1, 0.1), (1, 2, 0.2), (2, 1, 0.1)]
    assert world.get(trial).epochs_spent == 3
    world.audit()


def test_the_last_epochs_of_a_result_without_the_lease_are_not_stored(world, do, take) -> None:
    trial = world.trial(world.search())
    late = world.result(take()).model_copy(update={"token": uuid4(), "last_epochs": last(1)})
    assert do(end_attempt, trial, late, b"d", 3) is None
    assert stored_epochs(world, trial) == []


def test_epochs_that_were_trained_again_from_the_start_count(world, do, take, report) -> None:
    """A worker that could not read its checkpoint reports earlier epochs than the next one."""
    trial = world.trial(world.search())
    held = take()
    with world.sessions.begin() as session:
        session.get_one(Lease, trial).resumed_epoch = 5
    report(held, epochs=3, last_epochs=last(1, 2, 3))
    assert world.get(trial).epochs_spent == 3


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


def test_results_in_a_search_that_has_ended_count_as_stopped(world, take, report) -> None:
    search = world.search()
    sent = ("completed", "failed", "infeasible", "stopped")
    held = [take(world.trial(search)) for _ in sent]
    world.set(Search, search, status=SearchStatus.STOPPED)

    ended = [report(lease, status) for lease, status in zip(held, sent, strict=True)]

    assert ended == [TrialStatus.STOPPED] * len(sent)


def test_weights_of_many_gigabytes_keep_their_size(world, take, report) -> None:
    world.trial(world.search())
    held = take()
    report(held, weights=world.blob().model_copy(update={"bytes": 2**40}))

    assert world.get(held.trial_id).weights_bytes == 2**40


def test_every_field_of_a_result_that_has_a_column_is_kept(world, take, report) -> None:
    """A field that is added to the message and to the table is kept without another list."""
    trial = world.trial(world.search())
    sent = {
        "value_std": 0.01, "validation_loss": 0.25, "value_at_rung": 0.4, "precision": "fp32",
        "best_epoch": 2, "seconds": 9.5, "samples_per_second": 100.0, "latency": 0.001,
    }  # fmt: skip
    weights, export = world.blob(), world.blob("exports")
    measures = {"RMSE": 54.3, "MAE": 43.1, "a\0": 1.0}
    test = TestMetrics(metric=0.9, loss=0.3, examples=360, measures={"RMSE": 2.5})
    facts = {"weights": weights, "export": export, "test": test, "measures": measures}

    report(take(), value=0.5, parameters=7, **facts, **sent)

    row = world.get(trial)
    assert {name: getattr(row, name) for name in sent} == sent
    assert (row.weights_key, row.weights_bytes) == (weights.key, 10)
    assert (row.export_key, row.export_bytes) == (export.key, 10)
    assert (row.test_metric, row.test_loss, row.test_examples) == (0.9, 0.3, 360)
    assert row.measures == [["RMSE", 54.3], ["MAE", 43.1], ["a", 1.0]]  # in this order
    assert row.test_measures == [["RMSE", 2.5]]
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


def test_the_same_result_again_is_a_duplicate_another_one_a_conflict(world, calls) -> None:
    trial = world.trial(world.search())
    order = calls.lease(world.worker())
    result = world.result(order, value=0.5)

    assert calls.result(trial, result) == ResultAnswer(accepted=True)
    assert calls.result(trial, result) == ResultAnswer(accepted=True, reason="duplicate")
    with pytest.raises(Conflict, match="the trial is completed"):
        calls.result(trial, result.model_copy(update={"value": 0.6}))
    with pytest.raises(NotFound):
        calls.result(uuid4(), result)
    assert world.get(trial).value == 0.5


def test_a_failure_that_led_to_another_attempt_is_a_duplicate_of_itself(world, calls) -> None:
    trial = world.trial(world.search())
    order = calls.lease(world.worker())
    result = world.result(order, "failed", reason="the trainer died")

    assert calls.result(trial, result).accepted
    assert calls.result(trial, result).reason == "duplicate"
    assert world.get(trial).attempt == 2


@pytest.mark.parametrize("value", [None, -0.1, 1.5, 1e308])
def test_an_impossible_value_costs_an_attempt(world, calls, value) -> None:
    trial = world.trial(world.search())
    order = calls.lease(world.worker())

    answer = calls.result(trial, world.result(order, value=value))

    assert "expected one from 0 to 1" in answer.reason
    row = world.get(trial)
    assert (row.status, row.attempt, row.value) == (TrialStatus.WAITING, 2, None)
    world.audit()


def test_a_final_fit_needs_test_metrics_rather_than_a_value(world) -> None:
    order = type("Order", (), {"attempt": 1, "token": uuid4()})
    test = TestMetrics(metric=0.9, loss=0.1, examples=10)
    report = world.result(order, value=None, test=test)

    assert credible(report, TASKS["image-classification"]()) is report


def test_the_task_of_the_search_decides_which_values_are_credible(world, calls) -> None:
    """A value beyond the usual range counts where the trial's own metric has such values."""
    search = world.search()
    world.set(Search, search, config=world.get_search(search).config | {"metric": "log-loss"})
    trials = [world.trial(search) for _ in range(2)]
    orders = [calls.lease(world.worker(), trial) for trial in trials]

    accepted = calls.result(trials[0], world.result(orders[0], value=-3.5))
    refused = calls.result(trials[1], world.result(orders[1], value=0.5))

    assert (accepted.accepted, accepted.reason) == (True, "")
    assert world.get(trials[0]).value == -3.5
    assert "expected one from -36.0437 to 0" in refused.reason
    assert world.get(trials[1]).value is None


def test_a_value_is_stored_unchanged_where_the_task_is_unknown(world, calls) -> None:
    search = world.search()
    trial = world.trial(search)
    order = calls.lease(world.worker(), trial)
    world.set(Search, search, config={"task": "of a later release"})

    assert calls.result(trial, world.result(order, value=7.0)).reason == ""
    assert world.get(trial).value == 7.0


def test_a_result_that_no_trial_can_have_is_refused_for_an_unknown_trial(world, calls) -> None:
    world.trial(world.search())
    order = calls.lease(world.worker())
    with pytest.raises(NotFound):
        calls.result(uuid4(), world.result(order, value=7.0))
