"""The page that shows a few trials of a search side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.dashboard.rendering import (
    PageRoute,
    architecture_of,
    duration,
    measured,
    metric,
    milliseconds,
    number,
    page,
)
from api.dashboard.visitors import VisitorDep
from api.edge.dependencies import SessionDep, ThemeName
from api.pictures import drawing, trial_curves
from api.pictures.lineage import common_ancestor, line_of
from api.pictures.plots import THEMES
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialDetail, TrialOut
from api.store import epochs, searches, trials
from api.store.keys import Caller
from core.errors import InvalidInput
from core.tasks import TASKS

router = APIRouter(route_class=PageRoute)

LEAST, MOST = 2, 5  # trials at once

ChosenQuery = Annotated[list[UUID], Query(alias="trial", max_length=100, default_factory=list)]


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the table: what is known of each trial under one label."""

    label: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the trials differ in it."""
        return len(set(self.cells)) > 1

    @property
    def unusual(self) -> set[str]:
        """The cells that differ from what most trials have; all where no two are equal."""
        (usual, count), *others = Counter(self.cells).most_common()
        tied = bool(others) and others[0][1] == count
        return set() if not others else set(self.cells) - (set() if tied else {usual})


@router.get("/compare/trials")
def compare_trials_page(
    request: Request, visitor: VisitorDep, session: SessionDep, chosen: ChosenQuery
) -> HTMLResponse:
    """The facts, the lineages, the architectures and the curves of 2 to 5 trials of a search."""
    try:
        found = _trials(session, visitor.caller, chosen)
    except InvalidInput as error:
        title, status = "Compare trials", HTTPStatus.UNPROCESSABLE_ENTITY
        return page(request, "error.html", status, title=title, detail=str(error))
    search = searches.get(session, visitor.caller, found[0].search_id)
    return page(
        request,
        "compare_trials.html",
        search=search,
        trials=found,
        facts=_facts(found, search),
        query="&".join(f"trial={one.id}" for one in found),
        **_lineages(session, search, found),
    )


@router.get("/ui/compare/trials/figure")
def compare_trials_figure(
    visitor: VisitorDep, session: SessionDep, chosen: ChosenQuery, theme: ThemeName = "light"
) -> dict[str, Any]:
    """The validation metric of the trials by epoch, for Plotly."""
    found = _trials(session, visitor.caller, chosen)
    search = searches.get(session, visitor.caller, found[0].search_id)
    curves = epochs.of_trials(session, [one.id for one in found])
    return trial_curves.figure(search, found, curves, THEMES[theme])


def _trials(session: Session, caller: Caller, chosen: Sequence[UUID]) -> list[TrialDetail]:
    """The trials by number; InvalidInput for too few, too many, or those of several searches."""
    ids = list(dict.fromkeys(chosen))
    if not LEAST <= len(ids) <= MOST:
        raise InvalidInput(
            f"found {len(ids)} chosen trials; expected {LEAST} to {MOST}: tick them in the table "
            "of trials"
        )
    found = [trials.get(session, caller, one) for one in ids]
    if len({one.search_id for one in found}) > 1:
        raise InvalidInput("the trials are of several searches; expected those of one search")
    return sorted(found, key=lambda one: one.number)


# --- facts ------------------------------------------------------------------------------------


def _facts(found: Sequence[TrialDetail], search: SearchOut) -> list[Fact]:
    """What is known of the trials; of their hyperparameters those in which they differ."""
    columns = [_cells(one, search) for one in found]
    facts = [Fact(label, tuple(one[label] for one in columns)) for label in columns[0]]
    trained = [one.hyperparameters or {} for one in found]
    names = dict.fromkeys(name for one in trained for name in one)
    more = [
        Fact(_LABELS.get(name, name.replace("_", " ")),
             tuple(_in_words(name, one.get(name), search) for one in trained))
        for name in names
    ]  # fmt: skip
    return [
        *(one for one in facts if set(one.cells) != {"–"}),
        *(one for one in more if one.differs),
    ]


def _cells(trial: TrialOut, search: SearchOut) -> dict[str, str]:
    loss = trial.validation_loss
    return {
        "State": trial.status.value + (f": {trial.reason}" if trial.reason else ""),
        f"Validation {search.metric}": metric(trial.value, search, trial.value_std),
        "Measures": measured(trial.measures) or "–",
        "Validation loss": "–" if loss is None else f"{loss:.4f}",
        "Predicted": metric(trial.predicted_mean, search, trial.predicted_std),
        "Parent": "–" if trial.parent_number is None else f"trial {trial.parent_number}",
        "Weights": "inherited" if trial.inherited else "random",
        "Layers": number(trial.layers),
        "Parameters": number(trial.parameters),
        "FLOPs": number(trial.flops),
        "Latency": milliseconds(trial.latency),
        "Epochs": str(trial.epochs),
        "Best epoch": str(trial.best_epoch or "–"),
        "Time": duration(trial.seconds),
        "Worker": trial.worker or "–",
        "Computed in": trial.precision or "–",
    }


#: Hyperparameters whose names say too little.
_LABELS = {
    "max_seconds": "Seconds of training, at most",
    "warmup": "Rising learning rate, first share",
    "decay": "Falling learning rate, last share",
    "averaging": "Averaged weights, last share",
    "mixing": "Mixed examples (α)",
    "erasing": "Erased square, share of the side",
    "unaugmented": "Without augmentation, last share",
    "patience": "Epochs without improvement before a stop",
    "rung": "Compared with other trials",
    "least_at_rung": "Least value to continue then",
    "morph_noise": "Noise on changed weights",
    "inherited_share": "Inherited weights, the rest is random",
}


def _in_words(name: str, value: object, search: SearchOut) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if name == "rung":
        return "never" if value >= 1 else f"after {value:.0%} of its epochs".replace("%", " %")
    if name == "least_at_rung":
        return metric(TASKS[search.task](search.metric).chosen.of_objective(value), search)
    return f"{value:.4g}"


# --- lineages and architectures ---------------------------------------------------------------


def _lineages(session: Session, search: SearchOut, found: Sequence[TrialDetail]) -> dict[str, Any]:
    """The ways from the nearest common ancestor to each trial, and their drawings against it."""
    parents = {one.id: one.parent_id for one in trials.points(session, search.id)}
    lines = [line_of(parents, one.id) for one in found]
    shared = common_ancestor(lines)
    ways = [line[: line.index(shared)] if shared else line for line in lines]
    needed = {key for way in ways for key in way} | ({shared} if shared else set())
    known = {one.id: one for one in trials.some(session, search.id, list(needed))}
    return {
        "ancestor": known.get(shared) if shared else None,
        "ways": [_way(way, known) for way in ways],
        "graphs": _graphs(session, found, shared),
    }


def _way(way: Sequence[UUID], known: Mapping[UUID, TrialOut]) -> list[TrialOut]:
    """The trials from the first after the ancestor to the last."""
    return [known[key] for key in reversed(way) if key in known]


def _graphs(session: Session, found: Sequence[TrialDetail], shared: UUID | None) -> list[Any]:
    base = trials.architecture(session, shared) if shared else None
    before = None if base is None else architecture_of(base)
    graphs = []
    for one in found:
        shown = architecture_of(one.architecture)
        graphs.append(None if shown is None else drawing.architecture_svg(shown, before))
    return graphs
