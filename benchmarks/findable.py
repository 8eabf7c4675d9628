"""How far the networks of a table say which of them is the best.

A network that was trained once has its value in part by chance. Where the best one owes its lead to
chance, nothing seen of the others points to it, and a search that goes by them tries others first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import Table
from core.fitting import Observation, fit
from core.strategies.bayesian import Bayesian

MOST = 1000  # networks that the surrogate is told of
FEW = 50
DRAWS = 10  # of the few


@dataclass(frozen=True, slots=True)
class Findable:
    """What sets the best network of a table apart."""

    lead: float  # of the best value over the second
    chance: float | None  # median standard deviation of a network's values; None: none has repeats
    rank: int  # of the best, by what a surrogate expects that is told of (all, or MOST) others
    rank_of_few: float  # the same when it is told of FEW, median over draws


def findable(table: Table) -> Findable:
    """Of a table of at least two lines."""
    order = np.argsort(-table.true, kind="stable")
    others = order[1:]
    draws = [np.random.default_rng(seed).permutation(others) for seed in range(DRAWS)]
    spreads = [
        float(np.std([entry.value, *entry.repeats], ddof=1))
        for entry in table.entries
        if entry.repeats
    ]
    return Findable(
        lead=float(table.true[order[0]] - table.true[order[1]]),
        chance=float(np.median(spreads)) if spreads else None,
        rank=_rank(table, draws[0][:MOST], int(order[0])),
        rank_of_few=float(np.median([_rank(table, told[:FEW], int(order[0])) for told in draws])),
    )


def _rank(table: Table, told: NDArray[np.intp], best: int) -> int:
    """The place of a line among all, by the mean of a surrogate that is told of some of them."""
    observations = [
        Observation(table.entries[place].architecture, float(table.true[place])) for place in told
    ]
    surrogate = fit(observations, Bayesian().kernel)
    means, _ = surrogate.standard_posterior(table.chart.points(surrogate.geometry, table.lines))
    return 1 + int((means > means[best]).sum())
