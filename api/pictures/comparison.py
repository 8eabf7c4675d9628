"""Searches side by side: the settings in which they differ, and their best so far and fronts."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Any
from uuid import UUID

from api.pictures import fronts
from api.pictures.plots import (
    DASHES,
    NO_VALUE,
    Theme,
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
from api.schemas.searches import SearchOut
from api.store.trials import FrontTrial
from core.protocol.contracts.search_config import Cost

LEAST, MOST = 2, 5  # searches at once

_SETTINGS = (
    "task", "metric", "strategy", "strategy_options", "cost", "budget", "parallelism", "training",
    "bounds", "root", "seed",
)  # fmt: skip

#: Best values by the number of the trial up to which they are the best.
Curve = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not equal in all searches."""

    setting: str  # "budget.trials"
    values: tuple[Any, ...]  # of each search; None where it has none


_LONG = 1000  # from here on, numbers are shown without a fraction
_ID = re.compile(r"([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def differences(searches: Sequence[SearchOut]) -> list[Difference]:
    """The settings in which the searches differ, in the order of their declaration."""
    flat = [_settings(search) for search in searches]
    names = dict.fromkeys(name for one in flat for name in one)
    found = [(name, tuple(one.get(name) for one in flat)) for name in names]
    return [
        Difference(name, tuple(map(_readable, values)))
        for name, values in found
        if any(value != values[0] for value in values)
    ]


def _readable(value: Any) -> Any:
    """A setting with the beginnings of its ids, which tell versions of one name apart."""
    if isinstance(value, list | tuple):
        return ", ".join(str(_readable(one)) for one in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= _LONG else f"{value:.4g}"
    return _ID.sub(r"\1", value) if isinstance(value, str) else value


def groups(searches: Sequence[SearchOut]) -> list[list[int]]:
    """The positions of searches that differ at most in their seed, together."""
    found: dict[str, list[int]] = {}
    for index, search in enumerate(searches):
        settings = {k: v for k, v in _settings(search).items() if k != "seed"}
        found.setdefault(repr(settings), []).append(index)
    return list(found.values())


def _settings(search: SearchOut) -> dict[str, Any]:
    flat: dict[str, Any] = {"data set": f"{search.dataset.name} ({search.dataset.id})"}
    for name, value in search.model_dump(mode="json", include=set(_SETTINGS)).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat


def by_metric(searches: Sequence[SearchOut]) -> dict[str, list[int]]:
    """The positions of the searches by their metric: only equal metrics share an axis."""
    found: dict[str, list[int]] = {}
    for index, search in enumerate(searches):
        found.setdefault(search.metric, []).append(index)
    return found


def figure(
    searches: Sequence[SearchOut],
    points: Mapping[UUID, Sequence[FrontTrial]],
    theme: Theme,
    metric: str,
) -> dict[str, Any]:
    """The best so far of each search with this metric; of seeds of the same also the median.

    The band around a median is from the worst to the best of its searches. A search has the same
    colour and line in all figures of the comparison.
    """
    shown = by_metric(searches)[metric]
    curves = {index: _curve(points[searches[index].id], searches[index]) for index in shown}
    data: list[dict[str, Any]] = []
    for together in groups(searches):
        if together[0] not in curves:
            continue
        colour = theme.series[together[0]]
        if len(together) > 1:
            data += _median([curves[index] for index in together], colour)
        for index in together:
            width = 2.5 if len(together) == 1 else 1
            data.append(_line(searches[index], curves[index], colour, DASHES[index], width))
    shape = layout(theme, "trial", f"best validation {metric} so far")
    shape["xaxis"] |= whole_numbers([trial for curve in curves.values() for trial in curve])
    values = [value for curve in curves.values() for value in curve.values()]
    return {"data": data, "layout": _fitted(shape, values, searches[shown[0]])}


def fronts_figure(
    searches: Sequence[SearchOut],
    points: Mapping[UUID, Sequence[FrontTrial]],
    theme: Theme,
    metric: str,
) -> dict[str, Any]:
    """The Pareto front of each search with this metric, against parameters."""
    shown = by_metric(searches)[metric]
    leads = {index: group[0] for group in groups(searches) for index in group}
    data = [
        front_line(searches[index], points[searches[index].id], Cost.PARAMETERS)
        | {"line": {"shape": "hv", "width": 2, "color": theme.series[leads[index]]}
                   | {"dash": DASHES[index]}}
        for index in shown
    ]  # fmt: skip
    shape = layout(theme, "parameters", f"validation {metric}")
    shape["xaxis"] |= of_costs([cost for line in data for cost in line["x"]])
    values = [value for line in data for value in line["y"]]
    return {"data": data, "layout": _fitted(shape, values, searches[shown[0]])}


def _fitted(shape: dict[str, Any], values: Sequence[float], search: SearchOut) -> dict[str, Any]:
    """The layout with an axis that fits the values: equal ones would have it reach 200 %."""
    shape |= {"height": 380, "showlegend": True}
    if not values:
        return without_points(shape, NO_VALUE)
    good = [goodness(value, search) for value in values]
    shape["yaxis"] |= {"tickformat": ticks(search), "range": span(min(good), max(good), search)}
    return shape


def front_line(search: SearchOut, points: Sequence[FrontTrial], cost: Cost) -> dict[str, Any]:
    """The front of a search as a stepped line; each point leads to its trial."""
    best = fronts.best(points, cost, larger_is_better=search.larger_is_better)
    unit = 1000.0 if cost is Cost.LATENCY else 1.0
    return {
        "type": "scatter", "mode": "lines+markers", "name": shortened(search.name),
        "x": [unit * fronts.cost_of(one, cost) for one in best], "y": [one.value for one in best],
        "text": [one.number for one in best], "customdata": [str(one.trial_id) for one in best],
        "hovertemplate": f"trial %{{text}}: %{{y:{exact(search)}}} at %{{x:,.4~g}}",
    }  # fmt: skip


def _curve(points: Sequence[FrontTrial], search: SearchOut) -> Curve:
    best = accumulate((one.value for one in points), max if search.larger_is_better else min)
    return dict(zip((one.number for one in points), best, strict=True))


def _line(search: SearchOut, curve: Curve, colour: str, dash: str, width: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": shortened(search.name),
        "x": list(curve), "y": list(curve.values()),
        "line": {"shape": "hv", "color": colour, "width": width, "dash": dash},
        "hovertemplate": f"trial %{{x}}: %{{y:{exact(search)}}}",
    }  # fmt: skip


def _median(curves: Sequence[Curve], colour: str) -> list[dict[str, Any]]:
    """The band and the median where all the searches have a value."""
    if not all(curves):
        return []
    first, last = max(min(one) for one in curves), min(max(one) for one in curves)
    numbers = [n for n in sorted({n for one in curves for n in one}) if first <= n <= last]
    values = [*zip(*(_up_to(one, numbers) for one in curves), strict=True)]
    band = {"type": "scatter", "mode": "lines", "x": numbers, "hoverinfo": "skip"}
    none = {"shape": "hv", "width": 0, "color": colour}
    return [
        band | {"y": [min(some) for some in values], "line": none, "showlegend": False},
        band
        | {"y": [max(some) for some in values], "line": none, "name": "worst to best"}
        | {"fill": "tonexty", "fillcolor": _faint(colour)},
        band
        | {"y": [median(some) for some in values], "name": f"median of {len(curves)} seeds"}
        | {"line": {"shape": "hv", "width": 3.5, "color": colour}},
    ]


def _up_to(curve: Curve, numbers: Sequence[int]) -> list[float]:
    """The value of a curve at each of these trials: that of the last one before it."""
    known, values = [*curve], [*curve.values()]
    return [values[bisect_right(known, number) - 1] for number in numbers]


def _faint(colour: str) -> str:
    """The colour "#rrggbb" as a fill behind lines."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},.15)"
