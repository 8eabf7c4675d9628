"""What all figures share: colours by theme, axes, number formats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.schemas.searches import SearchOut

#: Lines that are told apart without their colours.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

_LONGEST_NAME = 28  # characters in a legend


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a light or a dark page."""

    text: str
    grid: str
    accent: str
    band: str
    muted: str
    bad: str
    series: tuple[str, ...]  # of searches side by side


THEMES = {
    "light": Theme("#1f2328", "#e4e7eb", "#0b6e75", "rgba(11,110,117,.16)", "#727c86", "#b03a25",
                   ("#0b6e75", "#b03a25", "#2b62b8", "#8a5a00", "#6f42c1")),
    "dark": Theme("#d7dde4", "#2d353d", "#4fc3c7", "rgba(79,195,199,.18)", "#7c8894", "#ea8b73",
                  ("#4fc3c7", "#ea8b73", "#7fb0f5", "#d8a53f", "#b494f0")),
}  # fmt: skip


def ticks(search: SearchOut) -> str:
    """How Plotly writes the metric on an axis."""
    return ".2~%" if search.in_percent else ".3~g"


def exact(search: SearchOut) -> str:
    """How Plotly writes the metric of one point."""
    return ".2%" if search.in_percent else ".4~g"


def shortened(name: str) -> str:
    """A name that fits into a legend."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def goodness(metric: float | None, search: SearchOut) -> float:
    """The metric as a number of which more is better; 0 for None."""
    return (metric or 0.0) if search.larger_is_better else -(metric or 0.0)


ROOM = 0.06  # beyond the least and the greatest value on an axis, as a share of their distance


def span(low: float, high: float, search: SearchOut) -> list[float]:
    """The range of an axis from the weakest to the best metric, with some room.

    Above a single value there is little: it may be the best that there is, as an accuracy of 1.
    """
    room = ROOM * (high - low) or 0.01 * abs(high) or 0.01
    ends = (low - room, high + (room if high > low else ROOM * room))
    return list(ends) if search.larger_is_better else [-ends[1], -ends[0]]


MANY = 200  # points that stay apart at the usual size


def dots(colour: str, count: int) -> dict[str, Any]:
    """The marks of this many points: many are small, or they would be one area."""
    return {"color": colour, "size": 7 if count <= MANY else 4}


def whole_numbers(values: Sequence[int]) -> dict[str, Any]:
    """The marks of an axis of trials or epochs: whole numbers, also where there are few."""
    return {"dtick": 1} if values and max(values) - min(values) <= _FEW else {}


_CLOSE, _FAR = 5.0, 50.0  # quotients of the largest cost and the smallest


def of_costs(values: Sequence[float]) -> dict[str, Any]:
    """The axis of costs: logarithmic unless they are close, with marks that do not overlap."""
    quotient = max(values) / max(min(values), 1e-12) if values else 1.0
    digits = "~s" if values and min(values) >= 1 else "~g"  # not "200m" of a millisecond
    if quotient < _CLOSE:
        return {"tickformat": digits, "nticks": 6}
    marks = "D2" if quotient < _FAR else 1  # 1, 2 and 5 of each power of ten, or the powers alone
    return {"type": "log", "tickformat": digits, "dtick": marks}


_FEW = 10  # marks that an axis has room for on a narrow screen


def layout(theme: Theme, x: str, y: str) -> dict[str, Any]:
    """The layout of a figure with these titles of its axes."""
    axis = {"gridcolor": theme.grid, "zeroline": False, "linecolor": theme.grid}
    return {
        "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": theme.text, "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 64, "r": 16, "t": 12, "b": 44},
        "height": 300,
        "hovermode": "closest",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": axis | {"title": {"text": x}},
        "yaxis": axis | {"title": {"text": y, "standoff": 10}, "automargin": True},
    }


def metric_layout(search: SearchOut, theme: Theme, x: str, y: str) -> dict[str, Any]:
    """The layout of a figure with the metric on its vertical axis."""
    shape = layout(theme, x, y)
    shape["yaxis"] |= {"tickformat": ticks(search)}
    return shape


NO_VALUE = "No trial has a value."


def without_points(shape: dict[str, Any], text: str) -> dict[str, Any]:
    """A layout with a sentence and no axes: without points they would be from -100 % to 400 %."""
    middle = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    hidden = {name: shape[name] | {"visible": False} for name in ("xaxis", "yaxis")}
    said = {"annotations": [{"text": text, "showarrow": False} | middle], "showlegend": False}
    return shape | hidden | said
