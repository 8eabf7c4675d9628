"""Workers: the list, what each has trained, and whether they get trials."""

from fastapi import APIRouter

from api.edge.dependencies import AdminDep, CallerDep, Cursor, Limit, SessionDep, WorkerId
from api.schemas.workers import WorkerDetail, WorkerOut, WorkerPage, WorkerTrialPage
from api.store import worker_histories, workers

router = APIRouter(prefix="/v1/workers", tags=["workers"])


@router.get("")
def list_workers(caller: CallerDep, session: SessionDep) -> WorkerPage:
    """List the workers of the last day and the trial that each trains."""
    return WorkerPage(items=workers.listing(session, caller))


@router.get("/{worker_id}")
def get_worker(worker_id: WorkerId, caller: CallerDep, session: SessionDep) -> WorkerDetail:
    """Get a worker with the trials and failures of its last day, those that you may read."""
    return workers.get(session, caller, worker_id)


@router.get("/{worker_id}/trials")
def list_worker_trials(
    worker_id: WorkerId,
    caller: CallerDep,
    session: SessionDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> WorkerTrialPage:
    """List the trials that ended at a worker within a week, the latest first.

    Those that you may read. A trial that several workers tried is in the list of the last one.
    """
    return worker_histories.listing(session, caller, worker_id, limit=limit, cursor=cursor)


@router.post("/{worker_id}:drain")
def drain_worker(worker_id: WorkerId, admin: AdminDep, session: SessionDep) -> WorkerOut:
    """Give a worker no more trials; the one that it trains ends as usual."""
    return workers.drain(session, admin, worker_id, draining=True)


@router.post("/{worker_id}:undrain")
def undrain_worker(worker_id: WorkerId, admin: AdminDep, session: SessionDep) -> WorkerOut:
    """Give a drained worker trials again."""
    return workers.drain(session, admin, worker_id, draining=False)
