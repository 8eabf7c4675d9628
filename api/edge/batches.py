"""Batches: calls of one kind that wait at the same time are carried out together.

What a call costs beside its own work (a thread, a round trip to Postgres, a commit, notifications)
is paid once for a batch. A call never waits for others to come: the first one begins at once, as a
batch of its own, and those that come meanwhile are the next batch.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from api.controller import orders, reports
from api.controller.orders import LeaseAnswer
from api.db import autocommit
from api.edge.lanes import Busy, Lane, Lanes
from api.settings import Settings
from api.store import training_reports
from api.store.leases_together import LeaseCall
from api.store.together import MOST
from core.protocol.contracts.reports import Answer, EpochReport, Heartbeat
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.storage import Storage

_log = logging.getLogger(__name__)

C = TypeVar("C")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[C, T]):
    """A call, and where its answer goes; None where it is to be carried out alone."""

    call: C
    answer: asyncio.Future[T | None]

    def set(self, answer: T | None) -> None:
        """Answer the call, unless it has an answer or is cancelled."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Batches(Generic[C, T]):
    """Calls of one kind, of which one batch at a time is carried out in a thread of a lane."""

    def __init__(
        self,
        lane: Lane,
        engine: Engine,
        together: Callable[[Connection, Sequence[C]], Sequence[T | None]],
        alone: Callable[[Connection, C], T],
    ) -> None:
        """`together` returns an answer for each call, None for one that it has not carried out.

        Where it raises an error of the database, it has carried out none. What is left is carried
        out one by one by `alone`, which answers what is rare or wrong.
        """
        self._lane, self._engine = lane, engine
        self._together, self._alone = together, alone
        self._waiting: deque[_Waiting[C, T]] = deque()
        self._batch: asyncio.Task[None] | None = None

    async def run(self, call: C) -> T:
        """The answer to a call; raises what `alone` raises, and Busy as `Lane.run` does."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting[C, T](call, loop.create_future())
        with self._lane.admitted():
            self._waiting.append(waiting)
            impatience = loop.call_later(self._lane.seconds, self._give_up, waiting)
            self._begin()
            try:
                answer = await waiting.answer
            finally:
                impatience.cancel()
        if answer is not None:
            return answer
        return await self._lane.run(
            lambda: autocommit(self._engine, lambda connection: self._alone(connection, call))
        )

    def _give_up(self, waiting: _Waiting[C, T]) -> None:
        """Refuse a call that still waits for its batch."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            waiting.answer.set_exception(Busy())

    def _begin(self) -> None:
        """Begin a batch, unless one is carried out or no call waits."""
        if self._batch is None and self._waiting:
            self._batch = asyncio.create_task(self._carry_out())

    async def _carry_out(self) -> None:
        """Answer the calls that wait, then begin the next batch.

        A task begins after those that are about to run: so calls that come together, as after
        the answers to another batch, are one batch, and not the first of them by itself.
        """
        taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        calls = [one.call for one in taken]
        answers: Sequence[T | None] = [None] * len(taken)
        try:
            if calls:
                answers = await self._lane.in_thread(
                    lambda: autocommit(self._engine, lambda c: self._together(c, calls))
                )
        except SQLAlchemyError as error:
            _log.warning("%d calls are carried out one by one: %s", len(taken), error)
        finally:
            for one, answer in zip(taken, answers, strict=True):
                one.set(answer)
            self._batch = None
            self._begin()


class WorkerBatches:
    """The batches of one application."""

    def __init__(self, lanes: Lanes, engine: Engine, settings: Settings, storage: Storage) -> None:
        """`engine` is for `autocommit`."""
        lane = lanes.reports
        lease = timedelta(seconds=settings.lease_seconds)
        attempts = settings.max_attempts
        every = settings.checkpoint_seconds
        self.heartbeats: Batches[tuple[UUID, Heartbeat], Answer] = Batches(
            lane,
            engine,
            lambda connection, calls: training_reports.heartbeats(connection, calls, lease),
            lambda connection, call: training_reports.heartbeat(connection, *call, lease),
        )
        self.epochs: Batches[tuple[UUID, EpochReport], Answer] = Batches(
            lane,
            engine,
            lambda connection, calls: training_reports.epochs(connection, calls, lease),
            lambda connection, call: training_reports.epoch(connection, *call, lease),
        )
        self.results: Batches[tuple[UUID, TrialResult], ResultAnswer] = Batches(
            lane,
            engine,
            lambda connection, calls: reports.accept_together(connection, calls, attempts),
            lambda connection, call: reports.accept(connection, storage, *call, attempts),
        )
        self.leases: Batches[LeaseCall, LeaseAnswer] = Batches(
            lanes.leases,
            engine,
            lambda connection, calls: orders.lease_together(
                connection, calls, lease, checkpoint_seconds=every
            ),
            lambda connection, call: LeaseAnswer(
                orders.lease(
                    connection,
                    call.request,
                    lease,
                    attempts,
                    checkpoint_seconds=every,
                    key_id=call.key_id,
                )
            ),
        )
