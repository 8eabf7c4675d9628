"""Early stopping of children: asynchronous successive halving on the gain over the parent.

A child starts with its parent's function, so its value depends more on the parent than on the
morphism. The effect of the morphism is the gain over the parent's value (Li et al. 2020,
arXiv:1810.05934, for the asynchronous halving). Children are compared once, after the share `RUNG`
of a training.
"""

from collections.abc import Sequence
from statistics import median

RUNG = 1 / 3  # share of a training after which a child is compared
FEWEST = 3  # gains; with fewer a child is not compared with other children
WORSE = 2.0  # standard errors below its parent at which a child is stopped in any case


def least_at_rung(parent_value: float, parent_std: float, gains: Sequence[float]) -> float:
    """The least metric at the rung with which a child's training goes on.

    `gains` are the gains of earlier children at their rungs over their own parents. A child that
    lost more than noise explains is stopped however few these are.
    """
    least = parent_value - WORSE * parent_std
    if len(gains) < FEWEST:
        return least
    return max(least, parent_value + median(gains))
