"""The calls of a worker, as the routes make them, without HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from api import db
from api.controller import orders
from api.settings import Settings
from api.store import results, training_reports
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.reports import Answer, EpochReport, Heartbeat
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.contracts.train_orders import TrainOrder

T = TypeVar("T")


class WorkerCalls:
    """Leases and reports; safe in threads."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._duration = timedelta(seconds=settings.lease_seconds)
        self._attempts = settings.max_attempts

    def lease(self, request: LeaseRequest, trial_id: UUID | None = None) -> TrainOrder | None:
        return self._run(
            lambda c: orders.lease(c, request, self._duration, self._attempts, trial_id)
        )

    def heartbeat(self, trial_id: UUID, beat: Heartbeat) -> Answer:
        return self._run(lambda c: training_reports.heartbeat(c, trial_id, beat, self._duration))

    def epoch(self, trial_id: UUID, report: EpochReport) -> Answer:
        return self._run(lambda c: training_reports.epoch(c, trial_id, report, self._duration))

    def result(self, trial_id: UUID, report: TrialResult) -> ResultAnswer:
        return self._run(lambda c: results.accept(c, trial_id, report, self._attempts))

    def _run(self, statement: Callable[[Connection], T]) -> T:
        return db.autocommit(self._engine, statement)
