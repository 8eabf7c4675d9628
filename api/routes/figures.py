"""The dashboard's charts as JSON, for notebooks and other pages: `plotly.io.from_json` reads it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep, ThemeName
from api.pictures import figures

router = APIRouter(prefix="/v1", tags=["figures"])


@router.get("/searches/{search_id}/figures/{name}")
def search_figure(
    search_id: UUID, name: str, caller: CallerDep, session: SessionDep, theme: ThemeName = "light"
) -> dict[str, Any]:
    """A figure of a search for Plotly.

    Names: `best-so-far`, `learning-curves`, `front`, `predictions`, `calibration`, `timeline`.
    """
    return figures.of_search(session, caller, search_id, name, theme)


@router.get("/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: UUID, caller: CallerDep, session: SessionDep, theme: ThemeName = "light"
) -> dict[str, Any]:
    """The losses and the metric of one trial by epoch, for Plotly."""
    return figures.of_trial(session, caller, trial_id, theme)
