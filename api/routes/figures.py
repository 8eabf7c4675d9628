"""The dashboard's charts as JSON, for notebooks and other pages: `plotly.io.from_json` reads it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.edge.dependencies import CallerDep, SearchId, SessionDep, ThemeName, TrialId
from api.pictures import figures

router = APIRouter(prefix="/v1", tags=["figures"])

FigureName = Annotated[str, Path(description=f"one of `{'`, `'.join(figures.NAMES)}`")]


@router.get("/searches/{search_id}/figures/{name}")
def search_figure(
    search_id: SearchId,
    name: FigureName,
    caller: CallerDep,
    session: SessionDep,
    theme: ThemeName = "light",
) -> dict[str, Any]:
    """A figure of a search for Plotly."""
    return figures.of_search(session, caller, search_id, name, theme)


@router.get("/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: TrialId, caller: CallerDep, session: SessionDep, theme: ThemeName = "light"
) -> dict[str, Any]:
    """The losses and the metric of one trial by epoch, for Plotly."""
    return figures.of_trial(session, caller, trial_id, theme)
