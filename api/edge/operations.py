"""Operations of this process: imports that go on after their request has been answered.

A few threads carry them out, a bounded number waits. One more thread says to the database that this
process lives, fails the operations of processes that have died, and ends the imports whose
operations another process has cancelled.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID, uuid4

from fastapi import HTTPException, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.db import unit_of_work
from api.edge import errors
from api.imports import Progress
from api.operation_states import OperationKind
from api.schemas.operations import OperationOut
from api.store import operations
from api.store.keys import Caller
from core.data import interruption

THREADS = 2  # operations that are carried out at the same time
WAITING = 8  # further ones that wait for a thread
BEAT_SECONDS = 10.0  # between two signs of life
LOOK_SECONDS = 1.0  # between two looks whether operations of this process have been cancelled
GRACE_SECONDS = 3.0  # that operations have to end when the process shuts down
_RETRY_SECONDS = 1.0
_TRIES = 60  # to record an end while the database does not answer

_WAITS = "waiting for its turn"
_DIED = errors.document(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the process that was importing the data set has died: send the request again",
)
_STOPPED = errors.document(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the service was shut down before the data set was imported: send the request again",
)

_log = logging.getLogger(__name__)

#: An import; it returns the id of the data set.
Import = Callable[[Progress], UUID]


class _GivenUp(Exception):
    """The operation has ended already: its import ends without a result."""


@dataclass(frozen=True, slots=True)
class _Job:
    """An operation with all that is needed to carry it out."""

    id: UUID
    request: Request  # that it belongs to: its id is in the log
    run: Import
    held: ExitStack  # released when the import has ended: its file, its place in the quotas
    context: Context
    given_up: threading.Event  # set where the operation has ended already

    def check(self) -> None:
        """Raise _GivenUp where nothing waits for the result any more."""
        if self.given_up.is_set():
            raise _GivenUp


class Operations:
    """Carries out the operations of one process."""

    def __init__(self, maker: sessionmaker[Session]) -> None:
        self._sessions = maker
        self._holder = uuid4()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._in_hand: dict[UUID, threading.Event] = {}  # of those that run or wait: given up
        self._waiting: dict[UUID, _Job] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        # Daemons, unlike the threads of an executor: the interpreter would wait for an import.
        self._workers = [
            threading.Thread(target=self._work, name="operation", daemon=True)
            for _ in range(THREADS)
        ]
        self._heart = threading.Thread(target=self._beat, name="operations", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._workers, self._heart):
            thread.start()

    def stop(self, seconds: float = GRACE_SECONDS) -> None:
        """End the operations: those that run have some seconds, what is left then has failed."""
        deadline = time.monotonic() + seconds
        with self._lock:
            self._stopping.set()
        for _ in self._workers:
            self._jobs.put(None)
        for thread in (*self._workers, self._heart):
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        if left := tuple(self._in_hand):
            self._abandon()
            self._give_up(left)

    def require_room(self) -> None:
        """Raise HTTPException 503 where no further operation may wait."""
        if self._stopping.is_set():
            raise errors.shutting_down()
        if len(self._in_hand) >= THREADS + WAITING:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{THREADS + WAITING} imports are in progress: try again in ten seconds",
                {"Retry-After": "10"},
            )

    def submit(
        self,
        request: Request,
        caller: Caller,
        run: Import,
        held: ExitStack,
        *,
        kind: OperationKind,
        name: str,
    ) -> OperationOut:
        """Begin an operation, which takes over what is held; raises 503 where too many wait.

        Where it does not begin, the request keeps what is held.
        """
        operation_id, given_up = uuid4(), threading.Event()
        with self._lock:
            self.require_room()
            self._in_hand[operation_id] = given_up
        with ExitStack() as undo:
            undo.callback(self._in_hand.pop, operation_id)
            with unit_of_work(self._sessions) as session:
                begun = operations.begin(
                    session, caller, operation_id, self._holder, kind=kind, name=name, step=_WAITS
                )
            undo.pop_all()
        job = _Job(operation_id, request, run, held.pop_all(), copy_context(), given_up)
        with self._lock:
            self._waiting[operation_id] = job
        self._jobs.put(job)
        return begun

    def cancel(self, caller: Caller, operation_id: UUID) -> OperationOut:
        """Cancel an operation of any process; its import ends soon.

        Raises NotFound or Conflict, as `api.store.operations.cancel` does.
        """
        problem = errors.document(
            HTTPStatus.CONFLICT, f"the import was cancelled by {caller.name}: nothing was stored"
        )
        with unit_of_work(self._sessions) as session:
            cancelled = operations.cancel(session, caller, operation_id, problem)
        self._give_up({operation_id})
        return cancelled

    def look(self) -> None:
        """End the imports whose operations have ended in the database, as they were cancelled."""
        if in_hand := set(self._in_hand):
            with unit_of_work(self._sessions) as session:
                ended = operations.ended(session, in_hand)
            self._give_up(ended)

    def beat(self) -> None:
        """Say that this process lives, then fail the operations of silent ones.

        In this order and in one transaction: after a pause of the whole machine, its own are heard
        before they count as silent.
        """
        with unit_of_work(self._sessions) as session:
            if in_hand := set(self._in_hand):
                operations.hear(session, self._holder, in_hand)
            expired = operations.expire(session, _DIED)
        if expired:
            _log.warning("operations expired", extra={"operations": expired})

    def _beat(self) -> None:
        due = 0.0
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
                if (now := time.monotonic()) >= due:
                    due = now + BEAT_SECONDS
                    self.beat()
            except SQLAlchemyError as error:
                _log.warning("cannot tell the database of operations: %s", error)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                is_given_up = self._waiting.pop(job.id, None) is None
            if is_given_up:
                continue
            if self._stopping.is_set():
                job.held.close()
            else:
                job.context.run(self._carry_out, job)

    def _give_up(self, operation_ids: Collection[UUID]) -> None:
        """End imports without a result: those that run at their next check, the others now."""
        for operation_id in operation_ids:
            with self._lock:
                if given_up := self._in_hand.get(operation_id):
                    given_up.set()
                waiting = self._waiting.pop(operation_id, None)
            if waiting is not None:
                waiting.held.close()
                self._in_hand.pop(operation_id)

    def _carry_out(self, job: _Job) -> None:
        """Run an import to its end, whatever that is, and record it."""
        end: Callable[[Session], bool]
        try:
            with job.held, interruption.checked_by(job.check):
                found = job.run(Progress(partial(self._note, job), partial(self._keep, job)))
            end = partial(
                operations.finish, operation_id=job.id, holder=self._holder, dataset_id=found
            )
        except _GivenUp:
            self._in_hand.pop(job.id)
            return
        except Exception as error:  # as each error of a route is answered
            problem = errors.document_of(job.request, error)
            end = partial(
                operations.fail, operation_id=job.id, holder=self._holder, problem=problem
            )
        try:
            self._record(end)
        finally:
            self._in_hand.pop(job.id)

    def _note(self, job: _Job, step: str) -> None:
        """Note what an operation does now; raises _GivenUp where it has ended."""
        job.check()
        try:
            with unit_of_work(self._sessions) as session:
                goes_on = operations.advance(session, job.id, self._holder, step)
        except SQLAlchemyError as error:
            _log.warning("cannot note the step of an operation: %s", error)
            return
        if not goes_on:
            raise _GivenUp

    def _keep(self, job: _Job, session: Session, dataset_id: UUID) -> None:
        """Note the data set with the transaction that stores it, or have it undone."""
        if not operations.keep(session, job.id, self._holder, dataset_id):
            raise _GivenUp

    def _record(self, end: Callable[[Session], bool]) -> None:
        """Record an end; where that stays impossible, the operation expires."""
        for _ in range(_TRIES):
            try:
                with unit_of_work(self._sessions) as session:
                    if not end(session):
                        _log.warning("an operation had been given up before it ended")
                return
            except SQLAlchemyError as error:
                _log.warning("cannot record the end of an operation: %s", error)
            if self._stopping.wait(_RETRY_SECONDS):
                return

    def _abandon(self) -> None:
        try:
            with unit_of_work(self._sessions) as session:
                operations.abandon(session, self._holder, _STOPPED)
        except SQLAlchemyError as error:
            _log.warning("cannot give operations up: %s", error)
