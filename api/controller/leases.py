"""The lease service: workers lease trials, renew their leases, and report epochs and results."""

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from api.controller import orders
from api.db import autocommit
from api.settings import Settings
from api.store import endings, leases
from api.store.errors import Conflict, NotFound
from api.store.leases import Held, ReportVerdict
from core.errors import NetmorphError
from core.protocol.contracts import (
    Action,
    Answer,
    EpochReport,
    Heartbeat,
    LeaseRequest,
    ResultAnswer,
    TrainOrder,
    TrialResult,
)
from core.protocol.states import LIVE_SEARCH, TrialStatus
from core.tasks import TASKS, AbstractTask

T = TypeVar("T")

_log = logging.getLogger(__name__)


class LeaseService:
    """The controller's side of the worker routes; safe in threads, keeps nothing."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._max_attempts = settings.max_attempts

    def lease(self, request: LeaseRequest, trial_id: UUID | None = None) -> TrainOrder | None:
        """An order for the trial that waits longest, or for the named one; None without.

        A worker that has a lease gets the same order again, as it cannot have seen the answer;
        one that has restarted loses the leases it had before. Raises NotFound for an unknown
        trial.
        """
        taken = self._take(request, trial_id)
        if (
            taken is None
            and trial_id is not None
            and self._run(lambda c: endings.last_report(c, trial_id)) is None
        ):
            raise NotFound(f"there is no trial {trial_id}")
        if taken is None:
            return None
        try:
            return orders.make(self._engine, taken, self._lease)
        except (ValidationError, NetmorphError) as error:
            self._give_up(taken, error)
            return None

    def heartbeat(self, trial_id: UUID, beat: Heartbeat) -> Answer:
        """Renew the lease; the answer says whether to continue."""
        return _answer(self._run(lambda c: leases.heartbeat(c, trial_id, beat, self._lease)))

    def epoch(self, trial_id: UUID, report: EpochReport) -> Answer:
        """Store the metrics of an epoch; the answer says whether to continue."""
        return _answer(self._run(lambda c: leases.epoch(c, trial_id, report, self._lease)))

    def result(self, trial_id: UUID, report: TrialResult) -> ResultAnswer:
        """Count how a trial ended, once.

        Raises Conflict where the lease is another's, NotFound for an unknown trial.
        """
        digest = hashlib.sha256(report.model_dump_json().encode()).digest()
        counted = report if _is_beyond_doubt(report) else credible(report, self._task(trial_id))
        status = self._run(
            lambda c: endings.result(c, trial_id, counted, digest, self._max_attempts)
        )
        if status is not None:
            return ResultAnswer(accepted=True, reason="" if counted is report else counted.reason)
        last = self._run(lambda c: endings.last_report(c, trial_id))
        if last is None:
            raise NotFound(f"there is no trial {trial_id}")
        if last.digest == digest:
            return ResultAnswer(accepted=True, reason="duplicate")
        raise Conflict(f"attempt {report.attempt} has no lease; the trial is {last.status}")

    def _task(self, trial_id: UUID) -> AbstractTask | None:
        name = self._run(lambda c: endings.task_of(c, trial_id))
        return TASKS[name]() if name is not None and name in TASKS else None

    def _take(self, request: LeaseRequest, trial_id: UUID | None) -> Held | None:
        taken = self._run(lambda c: leases.take(c, request, uuid4(), self._lease, trial_id))
        if not taken.has_another:
            return taken.held
        self._run(lambda c: endings.release(c, request, self._max_attempts))
        renewed = self._run(lambda c: leases.renew(c, request, self._lease))
        if renewed is not None:
            return renewed
        return self._run(lambda c: leases.take(c, request, uuid4(), self._lease, trial_id)).held

    def _give_up(self, held: Held, error: Exception) -> None:
        """End a trial for which no order can be made, so that workers do not lease it forever."""
        _log.error("no order can be made", extra={"trial_id": held.trial_id}, exc_info=error)
        reason = f"no order could be made: {type(error).__name__}: {error}"[:2000]
        failed = TrialResult(
            attempt=held.attempt,
            token=held.token,
            status=TrialStatus.FAILED,
            reason=reason,
            retry=False,
        )
        self.result(held.trial_id, failed)

    def _run(self, statement: Callable[[Connection], T]) -> T:
        return autocommit(self._engine, statement)


def credible(report: TrialResult, task: AbstractTask | None) -> TrialResult:
    """The report, or a failure in its place where trials of its task cannot have its value.

    Refusing such a report would make the worker send it forever; so it costs an attempt.
    """
    if report.value is None and not _needs_value(report):
        return report
    if report.value is not None and (task is None or task.is_credible(report.value)):
        return report
    reason = f"the worker reported the value {report.value}"
    if task is not None:
        least, greatest = task.value_range
        reason += f"; expected one from {least:g} to {greatest:g}"
    return report.model_copy(update={"status": TrialStatus.FAILED, "reason": reason})


def _needs_value(report: TrialResult) -> bool:
    return report.status is TrialStatus.COMPLETED and report.test is None


def _is_beyond_doubt(report: TrialResult) -> bool:
    """Whether trials of any task could end like this; then no query need tell the task."""
    if report.value is None:
        return not _needs_value(report)
    return all(task().is_credible(report.value) for task in TASKS.values())


def _answer(verdict: ReportVerdict | None) -> Answer:
    """What a worker is to do next."""
    if verdict is None:
        return Answer(action=Action.ABANDON, reason="the lease is not yours any more")
    if verdict.search_status not in LIVE_SEARCH:
        reason = verdict.search_reason or f"the search is {verdict.search_status}"
        return Answer(action=Action.STOP, reason=reason)
    if verdict.late:
        return Answer(action=Action.STOP, reason="the time is up")
    return Answer()
