"""The routes of workers: lease, reports of a training, its end (`core.protocol.contracts`)."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection

from api.controller import orders
from api.db import autocommit
from api.edge.batches import WorkerBatches
from api.edge.dependencies import TrialId, WorkerDep
from api.edge.lanes import Busy, Lane
from api.settings import Settings
from api.store import endings, training_reports
from api.store.keys import Caller
from api.store.leases_together import LeaseCall
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.leases import HandBack, LeaseRequest
from core.protocol.contracts.reports import Answer, EpochReport, Heartbeat
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.contracts.train_orders import TrainOrder

router = APIRouter(prefix="/v1/worker", tags=["worker"])

T = TypeVar("T")


@router.post("/lease", response_model=None, responses={200: {"model": TrainOrder}, 204: {}})
async def lease_any(
    request: Request, body: LeaseRequest, caller: WorkerDep
) -> TrainOrder | Response:
    """Lease the trial that has waited longest; 204 where none is waiting.

    403 where another open key uses the id of this worker, or the key is for another worker name.
    """
    return await _lease(request, caller, body) or Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/trials/{trial_id}/lease")
async def lease_one(
    request: Request, trial_id: TrialId, body: LeaseRequest, caller: WorkerDep
) -> TrainOrder:
    """Lease this trial; 409 where it is no longer waiting."""
    order = await _lease_named(request, caller, body, trial_id)
    if order is None:
        raise HTTPException(HTTPStatus.CONFLICT, f"the trial {trial_id} is no longer waiting")
    return order


@router.post("/trials/{trial_id}/heartbeat")
async def heartbeat(request: Request, trial_id: TrialId, body: Heartbeat, _: WorkerDep) -> Answer:
    """Renew the lease. The response says whether to continue."""
    return await _batches(request).heartbeats.run((trial_id, body))


@router.post("/trials/{trial_id}/epochs")
async def report_epoch(
    request: Request, trial_id: TrialId, body: EpochReport, _: WorkerDep
) -> Answer:
    """Store the metrics of finished epochs. The response says whether to continue."""
    return await _batches(request).epochs.run((trial_id, body))


@router.post("/trials/{trial_id}/checkpoint")
async def report_checkpoint(
    request: Request, trial_id: TrialId, body: CheckpointReport, _: WorkerDep
) -> Answer:
    """Keep the stored state of a training. The response says whether to continue."""
    duration = timedelta(seconds=_settings(request).lease_seconds)
    return await _report(
        request, lambda c: training_reports.checkpoint(c, trial_id, body, duration)
    )


@router.post("/trials/{trial_id}/hand-back", status_code=HTTPStatus.NO_CONTENT)
async def hand_back(request: Request, trial_id: TrialId, body: HandBack, _: WorkerDep) -> None:
    """Give the trial back; another worker continues the attempt. 409 without its lease."""
    if not await _report(request, lambda c: endings.hand_back(c, trial_id, body)):
        raise HTTPException(HTTPStatus.CONFLICT, f"this worker has no lease of trial {trial_id}")


@router.post("/trials/{trial_id}/result")
async def report_result(
    request: Request, trial_id: TrialId, body: TrialResult, caller: WorkerDep
) -> ResultAnswer:
    """Report how the trial ended; it counts once. 409 where another attempt has the lease.

    With `next`, the answer has the worker's next order as well, unless none waits or the service
    has other reports to take first.
    """
    answer = await _batches(request).results.run((trial_id, body))
    reports: Lane = request.app.state.lanes.reports
    if body.next is None or reports.is_crowded or answer.rest_seconds:
        return answer
    with suppress(Busy):  # what was accepted is answered in any case
        order = await _lease(request, caller, body.next)
        answer = answer.model_copy(update={"next": order})
    return answer


async def _lease(request: Request, caller: Caller, body: LeaseRequest) -> TrainOrder | None:
    """The order for any trial; raises Forbidden where the key is for another worker."""
    caller.require_worker(body.name)
    answer = await _batches(request).leases.run(LeaseCall(body, caller.key_id))
    return answer.order


async def _lease_named(
    request: Request, caller: Caller, body: LeaseRequest, trial_id: UUID
) -> TrainOrder | None:
    """The order for this trial; raises Forbidden where the key is for another worker."""
    caller.require_worker(body.name)
    lane: Lane = request.app.state.lanes.leases
    settings = _settings(request)
    return await _run(
        request,
        lane,
        lambda connection: orders.lease(
            connection,
            body,
            timedelta(seconds=settings.lease_seconds),
            settings.max_attempts,
            trial_id,
            checkpoint_seconds=settings.checkpoint_seconds,
            key_id=caller.key_id,
        ),
    )


async def _report(request: Request, statement: Callable[[Connection], T]) -> T:
    return await _run(request, request.app.state.lanes.reports, statement)


def _batches(request: Request) -> WorkerBatches:
    batches: WorkerBatches = request.app.state.batches
    return batches


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _run(request: Request, lane: Lane, statement: Callable[[Connection], T]) -> T:
    """Run statements of the hot path; each is committed by itself."""
    engine = request.app.state.worker_engine
    return await lane.run(lambda: autocommit(engine, statement))
