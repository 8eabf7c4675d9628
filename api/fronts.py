"""The front of a search: the trials that none beats in both the metric and a cost."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from api.schemas import FrontPoint
from core.protocol.contracts import Cost
from core.protocol.states import TrialKind
from core.search.pareto import non_dominated


class Measured(Protocol):
    """What must be known of a trial: a row of the database, or what people see of it."""

    @property
    def id(self) -> UUID: ...
    @property
    def number(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def value_std(self) -> float | None: ...
    @property
    def parameters(self) -> int: ...
    @property
    def flops(self) -> int: ...
    @property
    def latency(self) -> float | None: ...


def cost_of(point: FrontPoint, cost: Cost) -> float:
    """What a trial costs that has that cost."""
    return {
        Cost.PARAMETERS: point.parameters,
        Cost.FLOPS: point.flops,
        Cost.LATENCY: point.latency or 0.0,
    }[cost]


def comparable(trials: Iterable[Measured], cost: Cost) -> list[FrontPoint]:
    """The trials of the search that have a value and a cost."""
    return [
        _point(trial, trial.value)
        for trial in trials
        if trial.kind == TrialKind.SEARCH
        and trial.value is not None
        and (cost is not Cost.LATENCY or trial.latency is not None)
    ]


def points(trials: Iterable[Measured], cost: Cost) -> list[FrontPoint]:
    """The front of some trials, the cheapest first; those without a value or cost do not count."""
    known = comparable(trials, cost)
    places = non_dominated([p.value for p in known], [cost_of(p, cost) for p in known])
    return [known[place] for place in places]


def _point(trial: Measured, value: float) -> FrontPoint:
    return FrontPoint(
        trial_id=trial.id,
        number=trial.number,
        value=value,
        value_std=trial.value_std,
        parameters=trial.parameters,
        flops=trial.flops,
        latency=trial.latency,
    )
