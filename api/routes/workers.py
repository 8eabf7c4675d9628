"""Workers: the list, and whether they get trials."""

from fastapi import APIRouter

from api.edge.dependencies import AdminDep, CallerDep, SessionDep, WorkerId
from api.schemas import WorkerOut, WorkerPage
from api.store import workers

router = APIRouter(prefix="/v1/workers", tags=["workers"])


@router.get("")
def list_workers(caller: CallerDep, session: SessionDep) -> WorkerPage:
    """List the workers of the last day and the trial that each trains."""
    return WorkerPage(items=workers.listing(session, caller))


@router.post("/{worker_id}:drain")
def drain_worker(worker_id: WorkerId, admin: AdminDep, session: SessionDep) -> WorkerOut:
    """Give a worker no more trials; the one that it trains ends as usual."""
    return workers.drain(session, admin, worker_id, draining=True)


@router.post("/{worker_id}:undrain")
def undrain_worker(worker_id: WorkerId, admin: AdminDep, session: SessionDep) -> WorkerOut:
    """Give a drained worker trials again."""
    return workers.drain(session, admin, worker_id, draining=False)
