"""How well a search's surrogate predicted its trials, and which morphisms helped.

Every prediction was made before its trial was trained, so all comparisons are out of sample.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean
from typing import Any
from uuid import UUID

from api.pictures.plots import (
    MANY,
    ROOM,
    Theme,
    dots,
    exact,
    goodness,
    layout,
    span,
    ticks,
    without_points,
)
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import TrialPoint
from core.errors import NetmorphError
from core.protocol.states import TrialKind, TrialStatus
from core.search.strategies import strategy
from core.search.strategies.bayesian import Bayesian

#: What each acquisition looks for.
_CHOICES = {
    "ucb": "the best upper bound: {beta:g} standard deviations better than predicted",
    "log-ei": "the largest expected gain over the best trial",
    "log-pi": "the highest chance to be better than the best trial",
}
_WITHOUT_POINTS = 120  # pixels of a figure that has a sentence alone
_LEVELS = tuple(step / 20 for step in range(1, 20))  # of central intervals, as probabilities


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the surrogate expected of a trial, and what the trial came to."""

    trial_id: UUID
    number: int
    mean: float
    std: float
    value: float

    @property
    def error(self) -> float:
        """How far the value is from the mean, in standard deviations of the prediction."""
        return (self.value - self.mean) / self.std


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The predictions of a search in numbers."""

    count: int
    mean_error: float  # root of the mean squared error, in units of the value
    within_one: int  # values within one standard deviation of their prediction
    within_two: int


@dataclass(frozen=True, slots=True)
class MorphismEffect:
    """What the trials with a kind of morphism gained over their parents."""

    kind: str
    trials: int
    better: int  # than the parent
    gain: float  # mean, in units of the value
    best: float  # the largest gain


def predictions_of(shown: Sequence[TrialPoint | TrialOut]) -> list[Prediction]:
    """The completed trials that had a prediction; one that was stopped early says nothing of it."""
    return [
        Prediction(one.id, one.number, one.predicted_mean, one.predicted_std, one.value)
        for one in shown
        if one.kind == TrialKind.SEARCH
        and one.status == TrialStatus.COMPLETED
        and one.predicted_mean is not None
        and one.predicted_std
        and one.value is not None
    ]


def accuracy(known: Sequence[Prediction]) -> Accuracy | None:
    """The errors of all predictions together; None without any."""
    if not known:
        return None
    return Accuracy(
        count=len(known),
        mean_error=sqrt(fmean((one.value - one.mean) ** 2 for one in known)),
        within_one=sum(abs(one.error) <= 1 for one in known),
        within_two=sum(abs(one.error) <= 2 for one in known),
    )


def effects(
    trials: Sequence[TrialPoint], kinds: Mapping[UUID, Sequence[str]], search: SearchOut
) -> list[MorphismEffect]:
    """The gain of each kind of morphism, the most helpful first; `kinds` has those of each trial.

    A trial with several morphisms counts for each of their kinds.
    """
    values = {
        one.id: None if one.value is None else goodness(one.value, search)
        for one in trials
        if one.status == TrialStatus.COMPLETED
    }
    gains: defaultdict[str, list[float]] = defaultdict(list)
    for trial in trials:
        gain = _gain(trial, values)
        if gain is not None:
            for kind in set(kinds.get(trial.id, ())):
                gains[kind].append(gain)
    found = [
        MorphismEffect(kind, len(some), sum(gain > 0 for gain in some), fmean(some), max(some))
        for kind, some in gains.items()
    ]
    return sorted(found, key=lambda one: (-one.gain, one.kind))


def choice_in_words(search: SearchOut) -> str:
    """Why its surrogate's suggestions were chosen; empty where that is not known here."""
    try:
        chosen = strategy(search.strategy, search.strategy_options, search.cost)
    except NetmorphError:  # a strategy of another release
        return ""
    if not isinstance(chosen, Bayesian):
        return ""
    if search.cost is None:
        return _CHOICES[chosen.acquisition].format(beta=chosen.beta)
    if search.keep_accuracy:
        return f"the largest saving of {search.cost.value} times the chance to keep the accuracy"
    return f"the largest expected gain of the front of {search.metric} and {search.cost.value}"


def _gain(trial: TrialPoint, values: Mapping[UUID, float | None]) -> float | None:
    """How much better than its parent a trial is; None unless both are completed."""
    if trial.kind != TrialKind.SEARCH or trial.parent_id is None:
        return None
    before, after = values.get(trial.parent_id), values.get(trial.id)
    return None if before is None or after is None else after - before


def predictions(
    search: SearchOut, shown: Sequence[TrialPoint | TrialOut], theme: Theme
) -> dict[str, Any]:
    """Observed against predicted values, with one standard deviation of each prediction."""
    known = predictions_of(shown)
    ends = [value for one in known for value in (one.mean, one.value)]
    line = [min(ends), max(ends)] if ends else []
    hover = f"trial %{{text}}: predicted %{{x:{exact(search)}}}, observed %{{y:{exact(search)}}}"
    data = [
        _line("predicted = observed", line, line, theme.muted, "dash"),
        {
            "type": "scatter", "mode": "markers", "name": "trials",
            "x": [one.mean for one in known], "y": [one.value for one in known],
            "text": [str(one.number) for one in known],
            "marker": dots(theme.accent, len(known)),
            "customdata": [str(one.trial_id) for one in known],
            "hovertemplate": f"{hover}<extra></extra>",
        },
    ]  # fmt: skip
    shape = layout(theme, f"predicted {search.metric}", f"observed {search.metric}")
    shape["xaxis"] |= {"tickformat": ticks(search)}
    shape["yaxis"] |= {"tickformat": ticks(search)}
    if len(known) <= MANY:
        data[-1]["error_x"] = _bars(known, search) | {"color": theme.muted, "thickness": 1}
    else:
        shape |= {"shapes": [_all_bars(known, search, theme)]}
        shape["xaxis"] |= {"range": _reach(known, search)}
    observed = [goodness(one.value, search) for one in known]
    if known and min(observed) == max(observed):  # Plotly would show a single 1 between 0 and 2
        shape["yaxis"] |= {"range": span(observed[0], observed[0], search)}
    return {"data": data, "layout": shape} if known else _nothing(shape)


def _bars(known: Sequence[Prediction], search: SearchOut) -> dict[str, Any]:
    """One standard deviation to both sides."""
    if not search.in_percent:
        return {"array": [one.std for one in known]}
    spreads = [_spread(one, search) for one in known]
    return {
        "symmetric": False,
        "array": [above for _, above in spreads],
        "arrayminus": [below for below, _ in spreads],
    }


def _all_bars(known: Sequence[Prediction], search: SearchOut, theme: Theme) -> dict[str, Any]:
    """The bars of many points as one area behind them: Plotly takes long to draw them apart."""
    ends = zip(known, _ends(known, search), strict=True)
    path = "".join(f"M{low:.6g},{one.value:.6g}H{high:.6g}" for one, (low, high) in ends)
    line = {"color": theme.band, "width": 1}
    return {"type": "path", "path": path, "layer": "below", "line": line}


def _reach(known: Sequence[Prediction], search: SearchOut) -> list[float]:
    """The range of an axis with room for the bars, also where Plotly knows only their area."""
    values = [end for ends in _ends(known, search) for end in ends] + [one.value for one in known]
    room = ROOM * (max(values) - min(values))
    return [min(values) - room, max(values) + room]


def _ends(known: Sequence[Prediction], search: SearchOut) -> list[tuple[float, float]]:
    """Where each bar begins and ends."""
    spreads = [(one.mean, *_spread(one, search)) for one in known]
    return [(mean - below, mean + above) for mean, below, above in spreads]


def _spread(one: Prediction, search: SearchOut) -> tuple[float, float]:
    """One standard deviation below and above the mean; a share is not below 0 or above 1."""
    if not search.in_percent:
        return one.std, one.std
    return min(one.std, one.mean), min(one.std, 1 - one.mean)


def calibration(shown: Sequence[TrialPoint | TrialOut], theme: Theme) -> dict[str, Any]:
    """The share of values inside the central intervals of their predictions, by probability.

    On the diagonal the surrogate is exactly as sure as is right; below it, it is too sure.
    """
    errors = [abs(one.error) for one in predictions_of(shown)]
    widths = [NormalDist().inv_cdf((1 + level) / 2) for level in _LEVELS]
    shares = [sum(error <= width for error in errors) / len(errors) for width in widths if errors]
    data = [
        _line("ideal", [0, 1], [0, 1], theme.muted, "dash"),
        _line("surrogate", [*_LEVELS[: len(shares)]], shares, theme.accent, "solid"),
    ]
    shape = layout(theme, "probability of an interval", "share of values inside")
    for axis in ("xaxis", "yaxis"):
        shape[axis] |= {"tickformat": ".0%", "range": [0, 1.02], "dtick": 0.2}
    return {"data": data, "layout": shape} if errors else _nothing(shape)


def _nothing(shape: dict[str, Any]) -> dict[str, Any]:
    small = {"height": _WITHOUT_POINTS}
    return {
        "data": [],
        "layout": without_points(shape | small, "No completed trial had a prediction."),
    }


def _line(
    name: str, x: Sequence[float], y: Sequence[float], colour: str, dash: str
) -> dict[str, Any]:
    line = {"color": colour, "width": 2, "dash": dash}
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line}
