"""Trials: the evaluation of one architecture."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep, TrialId
from api.schemas import EpochOut, TrialDetail
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
def list_epochs(trial_id: TrialId, caller: CallerDep, session: SessionDep) -> list[EpochOut]:
    """List the epochs of a trial, attempt by attempt: its learning curve."""
    return epochs.of_trial(session, caller, trial_id)
