"""How well the other networks of a table predict which network is the best.

The value of a network that was trained once is in part chance. Where the best network owes its lead
to chance, observations of the others do not point to it, and a search tries other networks first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import Table
from core.search.strategies.bayesian import Bayesian
from core.surrogate.fitting import Observation, fit

MOST = 1000  # networks that the surrogate is fitted to
FEW = 50
DRAWS = 10  # random choices of these networks


@dataclass(frozen=True, slots=True)
class Predictability:
    """How the best network of a table compares with the others."""

    lead: float  # of the best value over the second
    chance: float | None  # median standard deviation of a network's values; None: none has repeats
    ranks: tuple[int, ...]  # of the best by the mean of a surrogate fitted to MOST others, sorted
    ranks_of_few: tuple[int, ...]  # the same, fitted to FEW


def predictability(table: Table) -> Predictability:
    """The predictability of the best network of a table of at least two lines."""
    order = np.argsort(-table.true, kind="stable")
    best = int(order[0])
    draws = [np.random.default_rng(seed).permutation(order[1:]) for seed in range(DRAWS)]
    return Predictability(
        lead=float(table.true[best] - table.true[order[1]]),
        chance=chance(table),
        ranks=tuple(sorted(_rank(table, draw[:MOST], best) for draw in draws)),
        ranks_of_few=tuple(sorted(_rank(table, draw[:FEW], best) for draw in draws)),
    )


def chance(table: Table) -> float | None:
    """The median standard deviation of a network's values; None without repeated trainings."""
    repeated = [entry for entry in table.entries if entry.repeats]
    spreads = [float(np.std([entry.value, *entry.repeats], ddof=1)) for entry in repeated]
    return float(np.median(spreads)) if spreads else None


def _rank(table: Table, chosen: NDArray[np.intp], best: int) -> int:
    """The rank of the best line by the mean of a surrogate fitted to some of the others."""
    observations = [
        Observation(table.entries[index].architecture, float(table.true[index])) for index in chosen
    ]
    surrogate = fit(observations, Bayesian().kernel)
    means, _ = surrogate.standard_posterior(table.distances.points(surrogate.geometry, table.lines))
    return 1 + int((means > means[best]).sum())
