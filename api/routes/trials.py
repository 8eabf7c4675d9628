"""Trials: the evaluation of one architecture."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, Cursor, Limit, SessionDep, TrialId
from api.schemas.epochs import EpochPage
from api.schemas.trials import TrialDetail
from api.store import epochs, stopped_trials, trials

router = APIRouter(prefix="/v1/trials", tags=["trials"])


@router.get("/{trial_id}")
def get_trial(trial_id: TrialId, caller: CallerDep, session: SessionDep) -> TrialDetail:
    """Get a trial with its architecture."""
    return trials.get(session, caller, trial_id)


@router.post("/{trial_id}:stop")
def stop_trial(trial_id: TrialId, caller: CallerDep, session: SessionDep) -> TrialDetail:
    """Stop one trial; a running one ends at its worker's next report and keeps its value.

    Its search goes on. 409 where it has ended in another way, and for a final fit.
    """
    return stopped_trials.stop(session, caller, trial_id)


@router.get("/{trial_id}/epochs")
def list_epochs(
    trial_id: TrialId,
    caller: CallerDep,
    session: SessionDep,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> EpochPage:
    """List the epochs of a trial, attempt by attempt: its learning curve.

    New epochs of a running trial come last, so that no epoch is on two pages or on none.
    """
    return epochs.page_of_trial(session, caller, trial_id, limit=limit, cursor=cursor)
