"""Which children are stopped early: asynchronous successive halving on the gain over the parent.

A child starts with its parent's function, so its value says more of the parent than of the
morphism; what tells the morphism is the gain over the parent's value after equally long training
(Li et al. 2020, arXiv:1810.05934, for the asynchronous halving). The rung is `RUNG` of a training.
"""

from collections.abc import Sequence
from statistics import median

RUNG = 1 / 3  # share of a training after which a child is compared
FEWEST = 3  # gains from which on a child must be among the better half
WORSE = 2.0  # standard errors below its parent from which on a child is stopped in any case


def least_at_rung(parent_value: float, parent_std: float, gains: Sequence[float]) -> float:
    """The metric that a child needs at its rung to be trained on.

    `gains` are those that earlier children of the search had at their rungs over their own
    parents. A child that lost more than noise explains is stopped however few they are.
    """
    least = parent_value - WORSE * parent_std
    if len(gains) < FEWEST:
        return least
    return max(least, parent_value + median(gains))
