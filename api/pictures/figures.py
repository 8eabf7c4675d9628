"""The figures of searches and trials by name: built here as JSON, drawn by the page."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.pictures import surrogate, timeline, trial_curves
from api.pictures.best_so_far import best_so_far
from api.pictures.front_figure import front
from api.pictures.learning_curves import AnyEpoch, learning_curves, with_curves
from api.pictures.plots import THEMES
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store import epochs, searches, trials
from api.store.epochs import EpochPoint
from api.store.keys import Caller
from api.store.trials import TrialPoint
from core.errors import UnknownKind

#: The figures of a search by name.
NAMES = ("best-so-far", "learning-curves", "front", "predictions", "calibration", "timeline")


def of_search(
    session: Session, caller: Caller, search_id: UUID, name: str, theme: str
) -> dict[str, Any]:
    """A figure of a search that the caller may see; raises UnknownKind for another name."""
    search = searches.outline(session, caller, search_id)
    points = trials.points(session, search_id)
    curves: list[EpochPoint] = []
    if name == "learning-curves":
        curves = epochs.of_trials(session, [point.id for point in with_curves(points, search)])
    return build(name, search, points, curves, theme)


def of_trial(session: Session, caller: Caller, trial_id: UUID, theme: str) -> dict[str, Any]:
    """The curves of a trial that the caller may see."""
    trial = trials.get(session, caller, trial_id)
    curves = epochs.of_trial(session, caller, trial_id)
    search = searches.outline(session, caller, trial.search_id)
    return trial_curves.losses(search, trial, curves, theme)


def build(
    name: str,
    search: SearchOut,
    shown: Sequence[TrialOut | TrialPoint],
    curves: Sequence[AnyEpoch],
    theme: str = "light",
) -> dict[str, Any]:
    """A figure of a search as JSON; raises UnknownKind for another name."""
    colours = THEMES.get(theme, THEMES["light"])
    if name == "best-so-far":
        return best_so_far(search, shown, colours)
    if name == "learning-curves":
        return learning_curves(search, shown, curves, colours)
    if name == "front":
        return front(search, shown, colours)
    if name == "predictions":
        return surrogate.predictions(search, shown, colours)
    if name == "calibration":
        return surrogate.calibration(shown, colours)
    if name == "timeline":
        return timeline.timeline(search, shown, colours)
    raise UnknownKind(f"there is no figure {name!r}; expected one of: {', '.join(NAMES)}")
