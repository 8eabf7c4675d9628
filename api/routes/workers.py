"""The list of workers."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas import WorkerPage
from api.store import workers

router = APIRouter(prefix="/v1/workers", tags=["workers"])


@router.get("")
def list_workers(caller: CallerDep, session: SessionDep) -> WorkerPage:
    """List the workers of the last day and the trial that each trains."""
    return WorkerPage(items=workers.listing(session, caller))
