"""Charts as Plotly figures: built here as JSON, drawn by the page."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from api.pictures import fronts, surrogate, timeline
from api.pictures.comparison import front_line
from api.pictures.plots import (
    DASHES,
    NO_VALUE,
    ROOM,
    THEMES,
    Theme,
    dots,
    exact,
    goodness,
    layout,
    of_costs,
    shortened,
    span,
    ticks,
    whole_numbers,
    without_points,
)
from api.schemas.epochs import EpochOut
from api.schemas.fronts import FrontPoint
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store import epochs, searches, trials
from api.store.epochs import EpochPoint
from api.store.keys import Caller
from api.store.trials import TrialPoint
from core.errors import UnknownKind
from core.protocol.contracts import Cost
from core.protocol.states import TrialKind, TrialStatus
from core.tasks import TASKS

CURVES = 24  # learning curves shown at once: the best, and beside them the running ones

Shown = TypeVar("Shown", TrialOut, TrialPoint)
AnyEpoch = EpochOut | EpochPoint


#: The figures of a search by name.
NAMES = ("best-so-far", "learning-curves", "front", "predictions", "calibration", "timeline")

#: The axis of each cost: its title, and how many of its units are one unit of the API.
_AXES = {
    Cost.PARAMETERS: ("parameters", 1.0),
    Cost.FLOPS: ("FLOPs for one example", 1.0),
    Cost.LATENCY: ("latency in milliseconds", 1000.0),
}


def of_search(
    session: Session, caller: Caller, search_id: UUID, name: str, theme: str
) -> dict[str, Any]:
    """A figure of a search that the caller may see; raises UnknownKind for another name."""
    search = searches.get(session, caller, search_id)
    points = trials.points(session, search_id)
    curves: list[EpochPoint] = []
    if name == "learning-curves":
        curves = epochs.of_trials(session, [point.id for point in with_curves(points, search)])
    return build(name, search, points, curves, theme)


def of_trial(session: Session, caller: Caller, trial_id: UUID, theme: str) -> dict[str, Any]:
    """The curves of a trial that the caller may see."""
    trial = trials.get(session, caller, trial_id)
    curves = epochs.of_trial(session, caller, trial_id)
    search = searches.get(session, caller, trial.search_id)
    return trial_curves(search, trial, curves, theme)


def build(
    name: str,
    search: SearchOut,
    shown: Sequence[Shown],
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


def with_earlier_fronts(
    figure: dict[str, Any],
    search: SearchOut,
    earlier: Sequence[tuple[SearchOut, Sequence[TrialPoint]]],
    theme: Theme,
) -> dict[str, Any]:
    """The front of a search with those of earlier searches on the same data behind it."""
    cost = search.cost or Cost.PARAMETERS
    behind: list[dict[str, Any]] = []
    for index, (one, points) in enumerate(earlier):
        line = {"shape": "hv", "width": 1.2, "color": theme.muted, "dash": DASHES[1 + index]}
        behind.append(front_line(one, points, cost) | {"line": line, "opacity": 0.9})
    data = [*behind, *figure["data"]]
    shape = _reaching(figure["layout"], [y for line in behind for y in line["y"]], search)
    costs = of_costs([x for line in data for x in line["x"]])
    return {"data": data, "layout": shape | {"xaxis": shape["xaxis"] | costs}}


def _reaching(shape: dict[str, Any], values: Sequence[float], search: SearchOut) -> dict[str, Any]:
    """The layout with an axis of the metric that also shows the better ones of these values."""
    if "range" not in shape["yaxis"] or not values:
        return shape
    low, high = shape["yaxis"]["range"]
    room = ROOM * (high - low)
    if search.larger_is_better:
        high = max(high, max(values) + room)
    else:
        low = min(low, min(values) - room)
    return shape | {"yaxis": shape["yaxis"] | {"range": [low, high]}}


def best_so_far(search: SearchOut, shown: Sequence[Shown], theme: Theme) -> dict[str, Any]:
    """Every trial's value, and the best up to it with its standard error."""
    valued = [t for t in shown if t.value is not None and t.kind == TrialKind.SEARCH]
    numbers = [t.number for t in valued]
    best: list[Shown] = []
    for trial in valued:
        is_better = not best or goodness(trial.value, search) > goodness(best[-1].value, search)
        best.append(trial if is_better else best[-1])
    least, greatest = _limits(search)
    low = [max(least, (t.value or 0) - (t.value_std or 0)) for t in best]
    high = [min(greatest, (t.value or 0) + (t.value_std or 0)) for t in best]
    data = [
        _band(numbers, low, high, theme),
        {
            "type": "scatter", "mode": "lines", "name": "best so far",
            "x": numbers, "y": [t.value for t in best],
            "line": {"shape": "hv", "color": theme.accent, "width": 2.5},
        },
        {
            "type": "scatter", "mode": "markers", "name": "trials",
            "x": numbers, "y": [t.value for t in valued],
            "marker": dots(theme.muted, len(valued)),
            "customdata": [str(t.id) for t in valued],
            "hovertemplate": f"trial %{{x}}: %{{y:{exact(search)}}}<extra></extra>",
        },
    ]  # fmt: skip
    shape = _shape(search, theme, "trial", f"validation {search.metric}")
    shape["xaxis"] |= whole_numbers(numbers)
    return {"data": data, "layout": shape if valued else without_points(shape, NO_VALUE)}


def _shape(search: SearchOut, theme: Theme, x: str, y: str) -> dict[str, Any]:
    """The layout of a figure with the metric on its vertical axis."""
    shape = layout(theme, x, y)
    shape["yaxis"] |= {"tickformat": ticks(search)}
    return shape


def _limits(search: SearchOut) -> tuple[float, float]:
    """The least and greatest metric that a trial can have."""
    found = TASKS[search.task](search.metric).chosen
    low, high = sorted(found.of_objective(value) for value in found.value_range)
    return low, high


def front(search: SearchOut, shown: Sequence[Shown], theme: Theme) -> dict[str, Any]:
    """Every trial's value against its cost, and the Pareto front as a stepped line."""
    cost = search.cost or Cost.PARAMETERS
    units = _AXES[cost][1]
    everything = fronts.comparable(shown, cost)
    best: list[FrontPoint] = fronts.best(everything, cost, larger_is_better=search.larger_is_better)
    on_front = {point.trial_id for point in best}
    given = fronts.given_root(search, everything)
    others = [p for p in everything if p.trial_id not in on_front and p != given]
    hover = f"trial %{{text}}: %{{y:{exact(search)}}} at %{{x:,.4~g}}<extra></extra>"
    data = [
        {
            "type": "scatter", "mode": mode, "name": name,
            "x": [units * fronts.cost_of(point, cost) for point in points],
            "y": [point.value for point in points],
            "text": [str(point.number) for point in points],
            "marker": dots(colour, len(points)),
            "line": {"shape": "hv", "color": colour, "width": 2.5},
            "customdata": [str(point.trial_id) for point in points],
            "hovertemplate": hover,
        }
        for name, points, colour, mode in (
            ("other trials", others, theme.muted, "markers"),
            ("front", best, theme.accent, "lines+markers"),
        )
    ]  # fmt: skip
    if given is not None:
        data.append(_marked(data[-1], search, given, units * fronts.cost_of(given, cost), theme))
    chosen = best if given is None else [*best, given]
    return {"data": data, "layout": _front_shape(search, everything, chosen, cost, theme)}


def _front_shape(
    search: SearchOut,
    points: Sequence[FrontPoint],
    chosen: Sequence[FrontPoint],
    cost: Cost,
    theme: Theme,
) -> dict[str, Any]:
    """The layout of a front: its axes fit the points, and show each chosen one."""
    title, units = _AXES[cost]
    shape = _shape(search, theme, title, f"validation {search.metric}")
    shape["xaxis"] |= of_costs([units * fronts.cost_of(point, cost) for point in points])
    if (shown := _upper(points, chosen, search)) is not None:
        shape["yaxis"] |= {"range": shown}
    return shape


def _upper(
    points: Sequence[FrontPoint], chosen: Sequence[FrontPoint], search: SearchOut
) -> list[float] | None:
    """The range of the metric without the weakest quarter of the trials, but with the chosen ones.

    One trial that has learned nothing would make the front a flat line.
    """
    if not points:
        return None
    known = sorted(goodness(point.value, search) for point in points)
    low = min(known[len(known) // 4], *(goodness(point.value, search) for point in chosen))
    return span(low, known[-1], search)


def _marked(
    front: Mapping[str, Any], search: SearchOut, given: FrontPoint, cost: float, theme: Theme
) -> dict[str, Any]:
    """The network that the user gave, as a point that stands out and has its name."""
    name = shortened(search.root_name or "the given network")
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [cost], "y": [given.value],
        "text": [str(given.number)], "customdata": [str(given.trial_id)],
        "marker": {"color": theme.series[4], "size": 13, "symbol": "diamond"},
        "hovertemplate": f"{escape(name)}, {front['hovertemplate']}",
    }  # fmt: skip


def with_curves(shown: Sequence[Shown], search: SearchOut) -> list[Shown]:
    """The trials whose learning curves are shown: the best first, and all that are running."""
    ranked = sorted(
        (t for t in shown if t.kind == TrialKind.SEARCH),
        key=lambda t: (t.value is None, -goodness(t.value, search)),
    )
    running = [t for t in ranked[CURVES:] if t.status == TrialStatus.RUNNING]
    return ranked[:CURVES] + running


def learning_curves(
    search: SearchOut, shown: Sequence[Shown], curves: Sequence[AnyEpoch], theme: Theme
) -> dict[str, Any]:
    """Validation metric against seconds of training: the curves of the best and the running."""
    data = []
    by_attempt: defaultdict[tuple[UUID, int], list[AnyEpoch]] = defaultdict(list)
    for one in curves:
        by_attempt[one.trial_id, one.attempt].append(one)
    for trial in reversed(with_curves(shown, search)):
        rows = by_attempt[trial.id, trial.attempt]
        is_best = search.best is not None and search.best.trial_id == trial.id
        line = {"color": theme.accent if is_best else theme.muted, "width": 3 if is_best else 1}
        data.append(
            {
                "type": "scatter", "name": f"trial {trial.number}", "line": line,
                "mode": "lines" if len(rows) > 1 else "markers",  # a line of one point is not seen
                "x": [e.seconds for e in rows], "y": [e.validation_metric for e in rows],
                "hovertemplate": f"trial {trial.number}: %{{y:{exact(search)}}} after "
                "%{x:.0f} s<extra></extra>",
            }
        )  # fmt: skip
    shape = _shape(search, theme, "seconds of training", f"validation {search.metric}")
    if (settled := _settled(curves, search)) is not None:
        shape["yaxis"] |= {"range": settled}
    else:
        shape = without_points(shape, "No trial has reported an epoch.")
    return {"data": data, "layout": shape | {"showlegend": False}}


def _settled(curves: Sequence[AnyEpoch], search: SearchOut) -> list[float] | None:
    """The range of the metric without the first epochs and the weakest quarter of the trials."""
    by_trial: defaultdict[UUID, list[float]] = defaultdict(list)
    for one in curves:
        if one.validation_metric is not None:
            by_trial[one.trial_id].append(goodness(one.validation_metric, search))
    if not by_trial:
        return None
    medians = sorted(median(values) for values in by_trial.values())
    low = medians[len(medians) // 4]
    high = max(max(values) for values in by_trial.values())
    return span(low, high, search)


def trial_curves(
    search: SearchOut, trial: TrialOut, curves: Sequence[EpochOut], theme: str = "light"
) -> dict[str, Any]:
    """Losses and the validation metric of one trial by epoch."""
    colours = THEMES.get(theme, THEMES["light"])
    rows = [e for e in curves if e.attempt == trial.attempt]
    x = [e.epoch for e in rows]
    data = [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": x, "y": values, "yaxis": axis,
            "line": {"color": colour, "width": 2},
        }
        for name, values, colour, axis in (
            ("training loss", [e.train_loss for e in rows], colours.muted, "y"),
            ("validation loss", [e.validation_loss for e in rows], colours.bad, "y"),
            (
                f"validation {search.metric}",
                [e.validation_metric for e in rows],
                colours.accent,
                "y2",
            ),
        )
        if any(value is not None for value in values)
    ]  # fmt: skip
    shape = layout(colours, "epoch", "loss")
    shape["margin"] |= {"r": 56}
    shape["xaxis"] |= whole_numbers(x)
    second = {
        "overlaying": "y", "side": "right", "tickformat": ticks(search), "showgrid": False,
        "title": {"text": search.metric, "standoff": 10}, "automargin": True,
        "tickmode": "auto",  # not those of the losses' axis, which give odd values here
    }  # fmt: skip
    metrics = [
        goodness(e.validation_metric, search) for e in rows if e.validation_metric is not None
    ]
    if metrics:
        second |= {"range": span(min(metrics), max(metrics), search)}
    shape = shape if data else without_points(shape, "The trial has reported no epoch.")
    return {"data": data, "layout": shape | {"yaxis2": second}}


def _band(x: list[int], low: list[float], high: list[float], theme: Theme) -> dict[str, Any]:
    """The standard error around a stepped line, as one filled outline."""
    xs: list[int] = []
    lows: list[float] = []
    highs: list[float] = []
    for index, number in enumerate(x):
        before = max(0, index - 1)
        if 0 < index < len(x) - 1 and (low[before], high[before]) == (low[index], high[index]):
            continue  # on the way to the next step
        if index:
            xs.append(number)
            lows.append(low[before])
            highs.append(high[before])
        xs.append(number)
        lows.append(low[index])
        highs.append(high[index])
    return {
        "type": "scatter", "mode": "lines", "name": "± standard error", "hoverinfo": "skip",
        "x": [*xs, *reversed(xs)], "y": [*highs, *reversed(lows)],
        "fill": "toself", "fillcolor": theme.band, "line": {"width": 0},
    }  # fmt: skip
