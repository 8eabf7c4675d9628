"""Plots curves of regret with bands. Needs matplotlib (the extra `bench`)."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.regret_report import mean_and_error
from core.similarity.edit_distance import Floats

BAND = 1.96  # standard errors: 95 %
_COLOURS = {  # Okabe & Ito's, distinguishable by colour-blind readers
    "bayesian": "#d55e00",
    "bo-scratch": "#e69f00",
    "reinforce": "#cc79a7",
    "evolution": "#0072b2",
    "hill-climbing": "#56b4e9",
    "bfs": "#009e73",
    "grid": "#999999",
    "random": "#000000",
}
_COLUMNS = 2
_PANEL = 5.0, 3.6  # inches
_FLOOR = 1e-5  # smaller regrets are drawn here


def draw(found: Mapping[str, Mapping[str, Floats]], path: Path) -> None:
    """Draw a panel for each table: mean regret by evaluations, with 95 % bands of the mean."""
    columns = min(_COLUMNS, len(found))
    rows = -(-len(found) // columns)
    figure = Figure((_PANEL[0] * columns, _PANEL[1] * rows + 0.5), layout="constrained")
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for panel, (table, regrets) in zip(panels, found.items(), strict=False):
        _draw_panel(panel, table, regrets)
    for panel in panels[len(found) :]:
        panel.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    with mpl.rc_context({"svg.hashsalt": "netmorph"}):  # the same curves give the same file
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_panel(panel: Axes, table: str, regrets: Mapping[str, Floats]) -> None:
    for strategy, one in regrets.items():
        mean, error = mean_and_error(one)
        evaluations = np.arange(1, len(mean) + 1)
        colour = _COLOURS.get(strategy)
        (line,) = panel.plot(evaluations, np.maximum(mean, _FLOOR), color=colour, label=strategy)
        low, high = mean - BAND * error, mean + BAND * error
        panel.fill_between(
            evaluations,
            np.maximum(low, _FLOOR),
            np.maximum(high, _FLOOR),
            color=line.get_color(),
            alpha=0.15,
            linewidth=0,
        )
    panel.set(title=table, xlabel="evaluations", ylabel="regret", yscale="log")
    panel.grid(alpha=0.3)
