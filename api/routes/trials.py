"""Trials: one architecture's evaluation."""

from uuid import UUID

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas import EpochOut, TrialDetail
from api.store import epochs, trials

router = APIRouter(prefix="/v1/trials", tags=["trials"])


@router.get("/{trial_id}")
def get_trial(trial_id: UUID, caller: CallerDep, session: SessionDep) -> TrialDetail:
    """One trial with its architecture."""
    return trials.get(session, caller, trial_id)


@router.get("/{trial_id}/epochs")
def list_epochs(trial_id: UUID, caller: CallerDep, session: SessionDep) -> list[EpochOut]:
    """The learning curve of one trial, attempt by attempt."""
    return epochs.of_trial(session, caller, trial_id)
