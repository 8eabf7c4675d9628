"""The routes of workers: lease, heartbeat, epochs, result (`core.protocol.contracts`)."""

from http import HTTPStatus
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from api.controller.leases import LeaseService
from api.edge.dependencies import WorkerDep
from core.protocol.contracts import (
    Answer,
    EpochReport,
    Heartbeat,
    LeaseRequest,
    ResultAnswer,
    TrainOrder,
    TrialResult,
)

router = APIRouter(prefix="/v1/worker", tags=["worker"])


def get_lease_service(request: Request) -> LeaseService:
    """The lease service of this process."""
    return cast(LeaseService, request.app.state.lease_service)


LeaseServiceDep = Annotated[LeaseService, Depends(get_lease_service)]


@router.post("/lease", response_model=None, responses={200: {"model": TrainOrder}, 204: {}})
def lease_any(
    body: LeaseRequest, _: WorkerDep, lease_service: LeaseServiceDep
) -> TrainOrder | Response:
    """Lease the trial that has waited longest; 204 where none is waiting."""
    return lease_service.lease(body) or Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/trials/{trial_id}/lease")
def lease_one(
    trial_id: UUID, body: LeaseRequest, _: WorkerDep, lease_service: LeaseServiceDep
) -> TrainOrder:
    """Lease this trial; 409 where it is no longer waiting."""
    order = lease_service.lease(body, trial_id)
    if order is None:
        raise HTTPException(HTTPStatus.CONFLICT, f"the trial {trial_id} is no longer waiting")
    return order


@router.post("/trials/{trial_id}/heartbeat")
def heartbeat(
    trial_id: UUID, body: Heartbeat, _: WorkerDep, lease_service: LeaseServiceDep
) -> Answer:
    """Renew the lease. The response says whether to continue."""
    return lease_service.heartbeat(trial_id, body)


@router.post("/trials/{trial_id}/epochs")
def report_epoch(
    trial_id: UUID, body: EpochReport, _: WorkerDep, lease_service: LeaseServiceDep
) -> Answer:
    """Store the metrics of an epoch. The response says whether to continue."""
    return lease_service.epoch(trial_id, body)


@router.post("/trials/{trial_id}/result")
def report_result(
    trial_id: UUID, body: TrialResult, _: WorkerDep, lease_service: LeaseServiceDep
) -> ResultAnswer:
    """Report how the trial ended; it counts once. 409 where another attempt has the lease."""
    return lease_service.result(trial_id, body)
