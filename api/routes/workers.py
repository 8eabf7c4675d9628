"""Workers, as people see them."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas import WorkerPage
from api.store import workers

router = APIRouter(prefix="/v1/workers", tags=["workers"])


@router.get("")
def list_workers(caller: CallerDep, session: SessionDep) -> WorkerPage:
    """The workers that asked for trials within a day, and what each is training."""
    return WorkerPage(items=workers.listing(session, caller))
