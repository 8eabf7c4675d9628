"""Lines between supervisor and trainer arrive as they were sent, and have the reports' fields."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from core.protocol.contracts.reports import EpochMetrics, EpochReport
from core.protocol.contracts.results import Comparison, TestMetrics, TrialOutcome, TrialResult
from core.protocol.states import TrialStatus
from worker.messages import COMMANDS, EVENTS, Ended, EpochEnded, Progress, Ready, Stop, Train

ENDED = Ended(
    status=TrialStatus.COMPLETED,
    value=0.75,
    epochs=3,
    test=TestMetrics(metric=0.5, loss=1.0, examples=30),
    comparison=Comparison(examples=9, before=0.5, after=None, exported="winner", reason="worse"),
)


@pytest.mark.parametrize(
    "event",
    [
        Ready(device="cpu"),
        Progress(step=7),
        EpochEnded(epoch=1, seconds=2.5, validation_metric=0.25),
        ENDED,
    ],
    ids=lambda event: event.event,
)
def test_an_event_arrives_as_it_was_sent(event):
    line = EVENTS.dump_json(event)
    assert b"\n" not in line
    assert EVENTS.validate_json(line) == event


def test_a_command_arrives_as_it_was_sent(controller):
    for command in (Train(order=controller.add("train")), Stop(reason="by the user")):
        line = COMMANDS.dump_json(command)
        assert b"\n" not in line
        assert COMMANDS.validate_json(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "5",
        "{}",
        '{"event": "unknown"}',
        '{"event": "progress"}',
        '{"event": "progress", "step": 1, "steps": 2}',
        '{"event": "epoch", "epoch": 0, "seconds": 1}',
        '{"event": "epoch", "epoch": 1, "seconds": -1}',
        '{"event": "ended", "status": "well"}',
        '{"event": "ended", "status": "completed", "precision": 5}',
    ],
)
def test_a_line_that_is_no_event_is_refused(line):
    with pytest.raises(ValidationError):
        EVENTS.validate_json(line)


def test_no_event_has_a_number_that_json_cannot_hold():
    with pytest.raises(ValidationError, match="finite"):
        Ended(status=TrialStatus.COMPLETED, value=float("nan"))
    with pytest.raises(ValidationError, match="finite"):
        EpochEnded(epoch=1, seconds=float("inf"))


def test_events_carry_exactly_the_facts_that_are_reported():
    """One declaration: a new field of a report is a field of the trainer's event as well."""
    lease = {"attempt", "token"}
    assert set(Ended.model_fields) - {"event"} == set(TrialOutcome.model_fields)
    further = {"next", "last_epochs"}
    assert set(TrialResult.model_fields) - lease - further == set(TrialOutcome.model_fields)
    assert set(EpochEnded.model_fields) - {"event"} == set(EpochMetrics.model_fields)
    assert set(EpochReport.model_fields) - lease - {"earlier"} == set(EpochMetrics.model_fields)


def test_a_text_that_is_too_long_for_a_report_is_cut_and_still_reported():
    ended = Ended(status=TrialStatus.FAILED, reason="r" * 5000, precision="p" * 65)
    assert (len(ended.reason), len(ended.precision)) == (2000, 64)
    fields = ended.model_dump(exclude={"event"})
    assert TrialResult(attempt=1, token=UUID(int=1), **fields).reason == "r" * 2000
