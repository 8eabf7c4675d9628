"""What all figures share: colours by theme, axes, number formats."""

from dataclasses import dataclass
from typing import Any

from api.schemas import SearchOut
from core.tasks import TASKS

#: Lines that are told apart without their colours.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


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
    return ".1%" if TASKS[search.task].in_percent else ".3~g"


def exact(search: SearchOut) -> str:
    """How Plotly writes the metric of one point."""
    return ".2%" if TASKS[search.task].in_percent else ".4~g"


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
        "yaxis": axis | {"title": {"text": y}, "automargin": True},
    }
