"""The learning curves of a few trials in one figure."""

from collections.abc import Sequence
from typing import Any

from api.pictures.plots import DASHES, Theme, exact, goodness, layout, span, ticks, whole_numbers
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.epochs import EpochPoint

_FEW = 3  # epochs that are shown in any case


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
    shape = layout(theme, "epoch", f"validation {search.metric}")
    shape["yaxis"] |= {"tickformat": ticks(search)}
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
