"""When each worker trained which trial, as bars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.pictures.plots import Theme, layout
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import TrialPoint
from core.protocol.states import TrialStatus

_ROW = 34  # pixels of a worker
_MANY = 200  # bars that have room for their numbers


def timeline(
    search: SearchOut, shown: Sequence[TrialPoint | TrialOut], theme: Theme
) -> dict[str, Any]:
    """A row for each worker; the last attempt of each trial is a bar, running ones end now."""
    bars = [one for one in shown if one.worker is not None and one.started_at is not None]
    # The clock of an extended search has been set forward: its first trial began before.
    starts = [one.started_at for one in bars if one.started_at is not None]
    began = min([search.started_at or search.created_at, *starts])
    mode = "inside" if len(bars) <= _MANY else "none"  # to fit each number in takes seconds
    data = [
        _bars(began, search.now, [one for one in bars if one.status in statuses], name, colour)
        | {"textposition": mode}
        for name, statuses, colour in (
            ("completed", {TrialStatus.COMPLETED}, theme.accent),
            ("running", {TrialStatus.RUNNING}, theme.text),
            ("stopped early", {TrialStatus.STOPPED}, theme.muted),
            ("without a value", {TrialStatus.INFEASIBLE, TrialStatus.FAILED, TrialStatus.LOST},
             theme.bad),
        )
    ]  # fmt: skip
    shape = layout(theme, "minutes since the search started", "")
    workers = len({one.worker for one in bars})
    shape |= {"barmode": "overlay", "height": 120 + _ROW * max(1, workers)}
    shape["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return {"data": [one for one in data if one["x"]], "layout": shape}


def _bars(
    began: datetime,
    now: datetime,
    trials: Sequence[TrialPoint | TrialOut],
    name: str,
    colour: str,
) -> dict[str, Any]:
    spans = [_minutes(began, now, one) for one in trials]
    return {
        "type": "bar", "orientation": "h", "name": name,
        "y": [one.worker for one in trials],
        "base": [start for start, _ in spans], "x": [end - start for start, end in spans],
        "text": [str(one.number) for one in trials], "insidetextanchor": "middle",
        "customdata": [str(one.id) for one in trials],
        "marker": {"color": colour, "line": {"width": 1, "color": "rgba(127,127,127,.6)"}},
        "hovertemplate": "trial %{text}: %{x:.1f} min<extra></extra>",
    }  # fmt: skip


def _minutes(began: datetime, now: datetime, one: TrialPoint | TrialOut) -> tuple[float, float]:
    """The start and the end of a trial, in minutes after the search started."""
    start = (one.started_at or began) - began
    end = (one.ended_at or now) - began
    return start.total_seconds() / 60, max(start, end).total_seconds() / 60
