"""Trials: the evaluation of one architecture."""

from uuid import UUID

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas import EpochOut, TrialDetail
from api.store import epochs, trials

router = APIRouter(prefix="/v1/trials", tags=["trials"])


@router.get("/{trial_id}")
def get_trial(trial_id: UUID, caller: CallerDep, session: SessionDep) -> TrialDetail:
    """Get a trial with its architecture."""
    return trials.get(session, caller, trial_id)


@router.get("/{trial_id}/epochs")
def list_epochs(trial_id: UUID, caller: CallerDep, session: SessionDep) -> list[EpochOut]:
    """List the epochs of a trial, attempt by attempt: its learning curve."""
    return epochs.of_trial(session, caller, trial_id)
