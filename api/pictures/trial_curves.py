"""The learning curves of one trial, or of a few in one figure."""

from collections.abc import Sequence
from typing import Any

from api.pictures.plots import (
    DASHES,
    THEMES,
    Theme,
    exact,
    goodness,
    layout,
    metric_layout,
    span,
    ticks,
    whole_numbers,
    without_points,
)
from api.schemas.epochs import EpochOut
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.epochs import EpochPoint

_FEW = 3  # epochs that are shown in any case


def losses(
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


def figure(
    search: SearchOut, shown: Sequence[TrialOut], curves: Sequence[EpochPoint], theme: Theme
) -> dict[str, Any]:
    """The validation metric of each trial by epoch of its last attempt."""
    data = []
    for index, trial in enumerate(shown):
        rows = [one for one in curves if one.trial_id == trial.id and one.attempt == trial.attempt]
        data.append(
            {
                "type": "scatter", "name": f"trial {trial.number}",
                "mode": "lines" if len(rows) > 1 else "markers",  # a line of one point is not seen
                "x": [one.epoch for one in rows], "y": [one.validation_metric for one in rows],
                "line": {"color": theme.series[index], "dash": DASHES[index], "width": 2},
                "hovertemplate": f"epoch %{{x}}: %{{y:{exact(search)}}}",
            }
        )  # fmt: skip
    shape = metric_layout(search, theme, "epoch", f"validation {search.metric}")
    if settled := _settled(search, shown, curves):
        shape["yaxis"] |= {"range": span(min(settled), max(settled), search)}
    shape["xaxis"] |= whole_numbers([one.epoch for one in curves])
    return {"data": data, "layout": shape | {"height": 380, "showlegend": True}}


def _settled(
    search: SearchOut, shown: Sequence[TrialOut], curves: Sequence[EpochPoint]
) -> list[float]:
    """What the axis has room for: the better half of the epochs of each trial with a value.

    A cold first epoch, or a trial that did not learn, would squeeze the curves that are compared.
    Of few epochs all are shown: without the first one, little of the curve is left.
    """
    found: list[float] = []
    for trial in shown:
        values = sorted(
            goodness(one.validation_metric, search)
            for one in curves
            if one.trial_id == trial.id and one.validation_metric is not None
        )
        if trial.value is not None:
            found += values[min(len(values) // 2, max(0, len(values) - _FEW)) :]
    return found
