"""The pipes of the trainer process: commands become orders and stops, reports become events."""

import io
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest

from core.protocol.contracts.reports import EpochMetrics
from tests.worker.orders import order_for
from worker.messages import COMMANDS, EVENTS, EpochEnded, Progress, Stop, Train
from worker.trainer.process import SupervisorConnection, callbacks


class Pipe:
    """A pipe whose reading end stays open: an end of file would end this process."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        self.reader: BinaryIO = os.fdopen(reader, "rb")

    def send(self, command: Train | Stop) -> None:
        os.write(self._writer, COMMANDS.dump_json(command) + b"\n")


@pytest.fixture
def events() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    return Pipe()


@pytest.fixture
def connection(pipe: Pipe, events: io.BytesIO) -> SupervisorConnection:
    return SupervisorConnection(pipe.reader, events)


@pytest.fixture
def sent(events: io.BytesIO) -> Callable[[], list[object]]:
    """The events that were sent so far."""
    return lambda: [EVENTS.validate_json(line) for line in events.getvalue().splitlines()]


def test_orders_are_received_one_after_the_other(connection, pipe, storage):
    first, second = order_for(storage, number=1), order_for(storage, number=2)
    pipe.send(Train(order=first))
    pipe.send(Train(order=second))
    assert connection.orders.get(timeout=10) == first
    assert connection.orders.get(timeout=10) == second


def test_a_stop_is_for_the_present_order_and_not_for_the_next_one(connection, pipe, storage):
    made = callbacks(connection)
    assert not made.should_stop()
    pipe.send(Stop(reason="by the user"))
    assert connection.stop.wait(10)
    assert made.should_stop()
    pipe.send(Train(order=order_for(storage)))
    connection.orders.get(timeout=10)
    assert not made.should_stop()


def test_an_epoch_is_sent_at_once_with_its_metrics(connection, sent):
    metrics = EpochMetrics(epoch=2, train_loss=0.5, validation_metric=0.75, seconds=3.0)
    callbacks(connection).on_epoch(metrics)
    assert sent() == [EpochEnded(**metrics.model_dump())]


def test_progress_is_sent_with_the_first_step_and_then_twice_a_second(connection, sent):
    now = 100.0
    made = callbacks(connection, clock=lambda: now)
    for step in range(1, 10):
        made.on_step(step)
        now += 0.125  # a sum of these is exact
    assert sent() == [Progress(step=1), Progress(step=5), Progress(step=9)]
