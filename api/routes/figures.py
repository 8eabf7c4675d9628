"""The dashboard's charts as JSON, for notebooks and other pages: `plotly.io.from_json` reads it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api import figures
from api.routes.dependencies import CallerDep, SessionDep
from api.store import epochs, searches, trials
from api.store.keys import Caller

router = APIRouter(prefix="/v1", tags=["figures"])

Theme = Annotated[str, Query(pattern="^(light|dark)$")]

_MOST_TRIALS = 500


@router.get("/searches/{search_id}/figures/{name}")
def search_figure(
    search_id: UUID, name: str, caller: CallerDep, session: SessionDep, theme: Theme = "light"
) -> dict[str, Any]:
    """A figure of a search for Plotly: `best-so-far`, `learning-curves` or `front`."""
    return of_search(session, caller, search_id, name, theme)


@router.get("/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: UUID, caller: CallerDep, session: SessionDep, theme: Theme = "light"
) -> dict[str, Any]:
    """The losses and the metric of one trial by epoch, for Plotly."""
    return of_trial(session, caller, trial_id, theme)


def of_search(
    session: Session, caller: Caller, search_id: UUID, name: str, theme: str
) -> dict[str, Any]:
    """A figure of a search that the caller may see."""
    search = searches.get(session, caller, search_id)
    listed = trials.listing(session, caller, search_id, limit=_MOST_TRIALS).items
    curves = epochs.of_search(session, caller, search_id) if name == "learning-curves" else []
    return figures.build(name, search, listed, curves, theme)


def of_trial(session: Session, caller: Caller, trial_id: UUID, theme: str) -> dict[str, Any]:
    """The figure of a trial that the caller may see."""
    trial = trials.get(session, caller, trial_id)
    curves = epochs.of_trial(session, caller, trial_id)
    search = searches.get(session, caller, trial.search_id)
    return figures.trial_curves(trial, curves, search.metric, theme)
