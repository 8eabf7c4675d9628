"""The learning curves of a few trials in one figure."""

from collections.abc import Sequence
from typing import Any

from api.pictures.plots import DASHES, Theme, exact, layout, ticks, whole_numbers
from api.schemas import EpochOut, SearchOut, TrialOut


def figure(
    search: SearchOut, shown: Sequence[TrialOut], curves: Sequence[EpochOut], theme: Theme
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
    shape["xaxis"] |= whole_numbers([one.epoch for one in curves])
    return {"data": data, "layout": shape | {"height": 380, "showlegend": True}}
