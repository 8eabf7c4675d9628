"""The values of a search's trials, and the best up to each of them."""

from collections.abc import Sequence
from typing import Any

from api.pictures.plots import (
    NO_VALUE,
    Theme,
    dots,
    exact,
    goodness,
    metric_layout,
    whole_numbers,
    without_points,
)
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import TrialPoint
from core.protocol.states import TrialKind
from core.tasks import TASKS


def best_so_far(
    search: SearchOut, shown: Sequence[TrialOut | TrialPoint], theme: Theme
) -> dict[str, Any]:
    """Every trial's value, and the best up to it with its standard error."""
    valued = [t for t in shown if t.value is not None and t.kind == TrialKind.SEARCH]
    numbers = [t.number for t in valued]
    best: list[TrialOut | TrialPoint] = []
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
    shape = metric_layout(search, theme, "trial", f"validation {search.metric}")
    shape["xaxis"] |= whole_numbers(numbers)
    return {"data": data, "layout": shape if valued else without_points(shape, NO_VALUE)}


def _limits(search: SearchOut) -> tuple[float, float]:
    """The least and greatest metric that a trial can have."""
    found = TASKS[search.task](search.metric).chosen
    low, high = sorted(found.of_objective(value) for value in found.value_range)
    return low, high


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
