"""Plots the test error of incumbents by time, with bands. Needs matplotlib (the extra `bench`)."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.incumbents import sampled
from benchmarks.records import Record

_BAND = 1.96  # standard errors: 95 %
_POINTS = 120  # in a curve
_COLUMNS = 3
_PANEL = 4.6, 3.4  # inches


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw a panel for each data set with a curve for each contender."""
    names = list(dict.fromkeys(record["dataset"] for record in records))
    rows, columns = -(-len(names) // _COLUMNS), min(_COLUMNS, len(names))
    figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, [record for record in records if record["dataset"] == name])
        panel.set_title(name)
    for panel in panels[len(names) :]:
        panel.remove()
    panels[0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "netmorph"}):
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panel(axes: Axes, records: Sequence[Record]) -> None:
    contenders = list(dict.fromkeys(record["contender"] for record in records))
    colours = mpl.colormaps["tab10"].colors
    for index, name in enumerate(contenders):
        curves = [r["curve"] for r in records if r["contender"] == name and r.get("curve")]
        if not curves:
            continue
        times = _times(curves, max(record["seconds"] for record in records))
        values = np.stack([sampled(curve, times) for curve in curves])
        mean = values.mean(axis=0)
        colour = colours[index % len(colours)]
        axes.plot(times, mean, label=name, color=colour, linewidth=1.4)
        if len(curves) > 1:
            band = _BAND * values.std(axis=0, ddof=1) / np.sqrt(len(curves))
            axes.fill_between(times, mean - band, mean + band, color=colour, alpha=0.15)
    axes.set_xlabel("seconds")
    axes.set_ylabel("test error, %")
    axes.set_yscale("log")
    for format_ticks in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        format_ticks("{x:g}")


def _times(curves: Sequence[Sequence[Sequence[float]]], end: float) -> NDArray[np.float64]:
    """Times from the first at which every seed has a network to export."""
    return np.linspace(max(curve[0][0] for curve in curves), end, _POINTS)
