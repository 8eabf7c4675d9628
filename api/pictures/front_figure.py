"""The values of a search's trials against their cost, with the Pareto front."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from api.pictures import fronts
from api.pictures.comparison import front_line
from api.pictures.plots import (
    DASHES,
    ROOM,
    Theme,
    dots,
    exact,
    goodness,
    metric_layout,
    of_costs,
    shortened,
    span,
)
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import FrontTrial, TrialPoint
from core.protocol.contracts.search_config import Cost

#: The axis of each cost: its title, and how many of its units are one unit of the API.
_AXES = {
    Cost.PARAMETERS: ("parameters", 1.0),
    Cost.FLOPS: ("FLOPs for one example", 1.0),
    Cost.LATENCY: ("latency in milliseconds", 1000.0),
}


def front(
    search: SearchOut, shown: Sequence[TrialOut | TrialPoint], theme: Theme
) -> dict[str, Any]:
    """Every trial's value against its cost, and the Pareto front as a stepped line."""
    cost = search.cost or Cost.PARAMETERS
    units = _AXES[cost][1]
    everything = fronts.comparable(shown, cost)
    best: list[FrontTrial] = fronts.best(everything, cost, larger_is_better=search.larger_is_better)
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
    points: Sequence[FrontTrial],
    chosen: Sequence[FrontTrial],
    cost: Cost,
    theme: Theme,
) -> dict[str, Any]:
    """The layout of a front: its axes fit the points, and show each chosen one."""
    title, units = _AXES[cost]
    shape = metric_layout(search, theme, title, f"validation {search.metric}")
    shape["xaxis"] |= of_costs([units * fronts.cost_of(point, cost) for point in points])
    if (shown := _upper(points, chosen, search)) is not None:
        shape["yaxis"] |= {"range": shown}
    return shape


def _upper(
    points: Sequence[FrontTrial], chosen: Sequence[FrontTrial], search: SearchOut
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
    front: Mapping[str, Any], search: SearchOut, given: FrontTrial, cost: float, theme: Theme
) -> dict[str, Any]:
    """The network that the user gave, as a point that stands out and has its name."""
    name = shortened(search.root_name or "the given network")
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [cost], "y": [given.value],
        "text": [str(given.number)], "customdata": [str(given.trial_id)],
        "marker": {"color": theme.series[4], "size": 13, "symbol": "diamond"},
        "hovertemplate": f"{escape(name)}, {front['hovertemplate']}",
    }  # fmt: skip


def with_earlier_fronts(
    figure: dict[str, Any],
    search: SearchOut,
    earlier: Sequence[tuple[SearchOut, Sequence[FrontTrial]]],
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
