"""The queue in numbers: for people, and for what starts and ends workers."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas.queue import QueueStatsOut
from api.store import waiting_trials

router = APIRouter(prefix="/v1/queue", tags=["workers"])


@router.get("/stats")
def queue_stats(caller: CallerDep, session: SessionDep) -> QueueStatsOut:
    """Count the trials that wait and that are trained, the caller's or an admin's all.

    `workers_needed` is their sum: the number of workers that all of them could use now.
    """
    return waiting_trials.stats(session, caller)
