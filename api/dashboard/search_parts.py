"""The parts of a search's page: the values that the template of each one shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from api.dashboard.search_log import entries
from api.pictures import drawing, fronts, surrogate
from api.pictures.lineage import selection
from api.schemas.searches import SearchOut
from api.store import enqueued, running_trials, trial_exports, trial_tables, trials
from api.store.trial_tables import Arrangement
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialKind, TrialStatus

TRIALS = 100  # on a page of the table
ENTRIES = 100  # on a page of the log
_SUGGESTIONS = 50  # the latest ones, beside what they came to


@dataclass(frozen=True, slots=True)
class SearchView:
    """A search of the visitor's, and what of it the page shows."""

    session: Session
    search: SearchOut
    page: int  # of the table of trials, or of the log
    lineage: str  # "main" or "all"
    arrangement: Arrangement
    values: Mapping[str, str] = field(default_factory=dict)  # entered in forms
    errors: Mapping[str, str] = field(default_factory=dict)  # of forms, by field


def _state(_: SearchView) -> dict[str, Any]:
    """The search alone."""
    return {}


def _running(view: SearchView) -> dict[str, Any]:
    """The trials that are being trained now."""
    return {"running": running_trials.of_search(view.session, view.search.id)}


def _trials(view: SearchView) -> dict[str, Any]:
    """A page of trials, and how many pages there are."""
    arrangement, search_id = view.arrangement, view.search.id
    shown = trial_tables.page(
        view.session, search_id, arrangement, limit=TRIALS, offset=(view.page - 1) * TRIALS
    )
    matching = trial_tables.count(view.session, search_id, arrangement)
    best = view.search.best if arrangement.is_default else None
    return {
        "trials": shown,
        "arrangement": arrangement,
        "number": view.page,
        "matching": matching,
        "pages": max(1, ceil(matching / TRIALS)),
        "page_size": TRIALS,
        "best_page": best and 1 + best.number // TRIALS,
        "statuses": list(TrialStatus),
        "sorts": _ORDERS,
        "columns": _HEADINGS,
        "address": _addresses(arrangement),
    }


#: The headings of the table: the column that sorts it, its name, and whether it holds numbers.
_HEADINGS = (
    ("number", "No.", True),
    ("", "State", False),
    ("value", "Validation", True),
    ("predicted", "Predicted", True),
    ("", "Parent", False),
    ("", "Morphisms", False),
    ("parameters", "Parameters", True),
    ("epochs", "Epochs", True),
    ("seconds", "Time", True),
)
#: The orders that the form offers.
_ORDERS = (
    ("number", "number"),
    ("-number", "number, latest first"),
    ("-value", "validation, best first"),
    ("value", "validation, worst first"),
    ("-predicted", "prediction, best first"),
    ("parameters", "parameters, fewest first"),
    ("-parameters", "parameters, most first"),
    ("-epochs", "epochs, most first"),
    ("-seconds", "time, longest first"),
)


def _addresses(arrangement: Arrangement) -> Callable[..., str]:
    """Makes the query of an address that shows the trials arranged otherwise."""

    def address(**changes: Any) -> str:
        given = {
            "sort": arrangement.sort,
            "status": arrangement.status,
            "text": arrangement.text,
        }
        usual = {"sort": "number", "page": 1}
        values = given | changes
        return urlencode({k: v for k, v in values.items() if v and usual.get(k) != v})

    return address


def _lineage(view: SearchView) -> dict[str, Any]:
    """The drawing of the lineage, and how many trials it shows."""
    points = trials.points(view.session, view.search.id)
    known = [point.id for point in points if point.kind == TrialKind.SEARCH]
    chosen = known if view.lineage == "all" else selection(points, view.search)
    shown = trials.of_lineage(view.session, view.search.id, chosen)
    return {
        "lineage": drawing.lineage_svg(shown, view.search, given=view.search.root is not None),
        "lineage_shown": len(shown),
        "lineage_of": len(known),
        "lineage_view": view.lineage,
    }


def _front(view: SearchView) -> dict[str, Any]:
    """The front of all trials, against parameters where the search has no cost."""
    cost = view.search.cost or Cost.PARAMETERS
    points = trials.points(view.session, view.search.id)
    known = fronts.comparable(points, cost)
    found = fronts.best(known, cost, larger_is_better=view.search.larger_is_better)
    return {
        "front": found,
        "given": fronts.given_root(view.search, known),
        "cost": cost,
        "exports": trial_exports.by_trial(view.session, view.search.id),
    }


def _surrogate(view: SearchView) -> dict[str, Any]:
    """The errors of the predictions, the gains by morphism, and the latest suggestions."""
    session, search_id = view.session, view.search.id
    points = trials.points(session, search_id)
    suggested = [one.id for one in points if one.predicted_mean is not None]
    latest = trials.some(session, search_id, suggested[-_SUGGESTIONS:])
    return {
        "accuracy": surrogate.accuracy(surrogate.predictions_of(points)),
        "effects": surrogate.effects(
            points, trials.morphism_kinds(session, search_id), view.search
        ),
        "choice": surrogate.choice_in_words(view.search),
        "suggested": latest[::-1],
        "suggested_of": len(suggested),
    }


def _log(view: SearchView) -> dict[str, Any]:
    """A page of what has happened, the latest first; only its trials are read in full."""
    exports = trial_exports.by_trial(view.session, view.search.id).values()
    known = entries(view.search, trials.points(view.session, view.search.id), exports)
    start = (view.page - 1) * ENTRIES
    shown = known[start : start + ENTRIES]
    ids = {one.trial.id for one in shown if one.trial is not None}
    full = {one.id: one for one in trials.some(view.session, view.search.id, list(ids))}
    return {
        "log": [one if one.trial is None else replace(one, trial=full[one.trial.id])
                for one in shown if one.trial is None or one.trial.id in full],
        "number": view.page,
        "pages": max(1, ceil(len(known) / ENTRIES)),
    }  # fmt: skip


def _manage(view: SearchView) -> dict[str, Any]:
    """What the forms show: what was entered, else what is so at present."""
    search = view.search
    present = {"name": search.name, "tags": ", ".join(search.tags), "note": search.note}
    present |= {"shared": "yes" if search.shared else ""}
    present |= limits_of(search) | {"network": "", "architecture": ""}
    return {
        "values": present | dict(view.values),
        "errors": view.errors,
        "waiting": enqueued.queued(view.session, search.id),
    }


def limits_of(search: SearchOut) -> dict[str, str]:
    """The present limits of a search in the fields of the form."""
    seconds = search.budget.seconds
    return {
        "trials": str(search.budget.trials or ""),
        "epochs": str(search.budget.epochs or ""),
        "minutes": "" if seconds is None else f"{seconds / 60:g}",
        "parallelism": str(search.parallelism),
        "priority": search.priority.value,
    }


#: The parts of a search's page: what the template of each one shows.
PARTS: dict[str, Callable[[SearchView], dict[str, Any]]] = {
    "state": _state,
    "heading": _state,
    "running": _running,
    "trials": _trials,
    "lineage": _lineage,
    "front": _front,
    "surrogate": _surrogate,
    "log": _log,
    "manage": _manage,
}
