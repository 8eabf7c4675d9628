"""The learning curves of a search's trials."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any
from uuid import UUID

from api.pictures.plots import (
    Theme,
    exact,
    goodness,
    metric_layout,
    span,
    without_points,
)
from api.schemas.epochs import EpochOut
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.epochs import EpochPoint
from api.store.trials import TrialPoint
from core.protocol.states import TrialKind, TrialStatus

CURVES = 24  # learning curves shown at once: the best, and beside them the running ones

AnyEpoch = EpochOut | EpochPoint


def learning_curves(
    search: SearchOut,
    shown: Sequence[TrialOut | TrialPoint],
    curves: Sequence[AnyEpoch],
    theme: Theme,
) -> dict[str, Any]:
    """Validation metric against seconds of training: the curves of the best and the running."""
    data = []
    by_attempt: defaultdict[tuple[UUID, int], list[AnyEpoch]] = defaultdict(list)
    for one in curves:
        by_attempt[one.trial_id, one.attempt].append(one)
    for trial in reversed(with_curves(shown, search)):
        rows = by_attempt[trial.id, trial.attempt]
        is_best = search.best is not None and search.best.trial_id == trial.id
        line = {"color": theme.accent if is_best else theme.muted, "width": 3 if is_best else 1}
        data.append(
            {
                "type": "scatter", "name": f"trial {trial.number}", "line": line,
                "mode": "lines" if len(rows) > 1 else "markers",  # a line of one point is not seen
                "x": [e.seconds for e in rows], "y": [e.validation_metric for e in rows],
                "hovertemplate": f"trial {trial.number}: %{{y:{exact(search)}}} after "
                "%{x:.0f} s<extra></extra>",
            }
        )  # fmt: skip
    shape = metric_layout(search, theme, "seconds of training", f"validation {search.metric}")
    if (settled := _settled(curves, search)) is not None:
        shape["yaxis"] |= {"range": settled}
    else:
        shape = without_points(shape, "No trial has reported an epoch.")
    return {"data": data, "layout": shape | {"showlegend": False}}


def with_curves(
    shown: Sequence[TrialOut | TrialPoint], search: SearchOut
) -> list[TrialOut | TrialPoint]:
    """The trials whose learning curves are shown: the best first, and all that are running."""
    ranked = sorted(
        (t for t in shown if t.kind == TrialKind.SEARCH),
        key=lambda t: (t.value is None, -goodness(t.value, search)),
    )
    running = [t for t in ranked[CURVES:] if t.status == TrialStatus.RUNNING]
    return ranked[:CURVES] + running


def _settled(curves: Sequence[AnyEpoch], search: SearchOut) -> list[float] | None:
    """The range of the metric without the first epochs and the weakest quarter of the trials."""
    by_trial: defaultdict[UUID, list[float]] = defaultdict(list)
    for one in curves:
        if one.validation_metric is not None:
            by_trial[one.trial_id].append(goodness(one.validation_metric, search))
    if not by_trial:
        return None
    medians = sorted(median(values) for values in by_trial.values())
    low = medians[len(medians) // 4]
    high = max(max(values) for values in by_trial.values())
    return span(low, high, search)
