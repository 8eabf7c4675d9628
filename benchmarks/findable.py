"""How far the networks of a table say which of them is the best.

A network that was trained once has its value in part by chance. Where the best one owes its lead to
chance, nothing seen of the others points to it, and a search that goes by them tries others first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import Table
from core.search.strategies.bayesian import Bayesian
from core.surrogate.fitting import Observation, fit

MOST = 1000  # networks that the surrogate is told of
FEW = 50
DRAWS = 10  # of the networks that it is told of


@dataclass(frozen=True, slots=True)
class Findable:
    """What sets the best network of a table apart."""

    lead: float  # of the best value over the second
    chance: float | None  # median standard deviation of a network's values; None: none has repeats
    ranks: tuple[int, ...]  # of the best, by what a surrogate told of MOST others expects, sorted
    ranks_of_few: tuple[int, ...]  # the same, told of FEW


def findable(table: Table) -> Findable:
    """Of a table of at least two lines."""
    order = np.argsort(-table.true, kind="stable")
    best = int(order[0])
    draws = [np.random.default_rng(seed).permutation(order[1:]) for seed in range(DRAWS)]
    return Findable(
        lead=float(table.true[best] - table.true[order[1]]),
        chance=chance(table),
        ranks=tuple(sorted(_rank(table, told[:MOST], best) for told in draws)),
        ranks_of_few=tuple(sorted(_rank(table, told[:FEW], best) for told in draws)),
    )


def chance(table: Table) -> float | None:
    """The median standard deviation of a network's values, of those trained more than once."""
    repeated = [entry for entry in table.entries if entry.repeats]
    spreads = [float(np.std([entry.value, *entry.repeats], ddof=1)) for entry in repeated]
    return float(np.median(spreads)) if spreads else None


def _rank(table: Table, told: NDArray[np.intp], best: int) -> int:
    """The place of a line among all, by the mean of a surrogate that is told of some of them."""
    observations = [
        Observation(table.entries[place].architecture, float(table.true[place])) for place in told
    ]
    surrogate = fit(observations, Bayesian().kernel)
    means, _ = surrogate.standard_posterior(table.chart.points(surrogate.geometry, table.lines))
    return 1 + int((means > means[best]).sum())
