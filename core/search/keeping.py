"""Looks for the least costly network whose value is that of the given root, within noise.

Notation
    v_r, e   value of the root's best trial, and its standard error
    t        v_r - e, the least value that keeps the root's: the one-standard-error rule (Breiman,
             Friedman, Olshen & Stone 1984, Classification and Regression Trees, section 3.4.3)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph.architecture import Architecture
from core.graph.bounds import cost
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost
from core.search.history import PastTrial
from core.search.race import ranked


@dataclass(frozen=True, slots=True)
class KeptValue:
    """The value that a smaller or faster network must keep: that of the root's best trial."""

    root: PastTrial
    cost: Cost  # to be minimised
    bounds: Bounds  # with the measured speeds, where the cost is a latency

    @property
    def least(self) -> float:
        """t, the least value that counts as kept."""
        assert self.root.value is not None
        return self.root.value - (self.root.value_std or 0.0)

    def is_kept_by(self, trial: PastTrial) -> bool:
        """Whether a trial's value is at least t."""
        return trial.value is not None and trial.value >= self.least

    def cost_of(self, trial: PastTrial) -> float:
        """The trial's cost; a latency is the measured one where there is one."""
        if self.cost is Cost.LATENCY and trial.latency is not None:
            return trial.latency
        return cost(self.cost, trial.architecture, self.bounds)


def kept_value(
    trials: Sequence[PastTrial], root: Architecture, kind: Cost, bounds: Bounds
) -> KeptValue | None:
    """The value of the root to be kept; None while no trial of the root has one."""
    own = [
        trial
        for trial in trials
        if trial.value is not None and trial.architecture.fingerprint == root.fingerprint
    ]
    if not own:
        return None
    return KeptValue(max(own, key=lambda trial: trial.value or 0.0), kind, bounds)


def chosen(trials: Sequence[PastTrial], kept: KeptValue) -> PastTrial:
    """The least costly trial that keeps the root's value; the root's own where none costs less.

    Of equal ones the one that is expected to end best.
    """
    keeping = [trial for trial in ranked(trials) if kept.is_kept_by(trial)]
    return min([*keeping, kept.root], key=kept.cost_of)


def finalists(trials: Sequence[PastTrial], kept: KeptValue) -> list[PastTrial]:
    """The chosen trial, if it has not been looked at again: its value may be luck.

    The smallest of many networks whose noisy values pass is likely to be overrated.
    """
    best = chosen(trials, kept)
    return [best] if best.morphisms else []
