"""Searches over a table of evaluated networks: a walk, and the baselines that choose its lines.

A walk starts at a random line and moves to unseen neighbours of lines that it has seen, or to any
line where the table names no neighbours. Where every line has repeats an evaluation shows its value
or one of them, at random, and the true value is their mean. Where only some have, repeats are left
aside: a mean of several is no match for the luckiest of many single values. A walker says which
line is next; it lives for one walk and may remember.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks import tables
from benchmarks.chart import Chart
from core.layers import LAYERS
from core.similarity.edit_distance import Floats, skips

POPULATION, SAMPLE = 20, 5  # of regularised evolution
GRID = 49  # lines of the grid: as many as of the strategy `grid`
FAR = 100  # moves: not reached


class Table:
    """Evaluated networks, and what walks want to know of them again and again."""

    def __init__(self, entries: Sequence[tables.Entry]) -> None:
        self.entries = entries
        is_repeated = all(entry.repeats for entry in entries)
        self.looks = [
            (entry.value, *(entry.repeats if is_repeated else ())) for entry in entries
        ]  # what an evaluation may show
        self.true: Floats = np.array([np.mean(looks) for looks in self.looks])
        self.lines = np.arange(len(entries))
        self.has_neighbours = any(entry.neighbours is not None for entry in entries)
        self._features: dict[int, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def neighbours(self, place: int) -> tuple[int, ...]:
        """The lines one move away; none where the table names no neighbours."""
        return self.entries[place].neighbours or ()

    @cached_property
    def by_size(self) -> NDArray[np.intp]:
        """The lines from the smallest network to the largest."""
        sizes = [(one.architecture.parameters, one.architecture.flops) for one in self.entries]
        return np.lexsort(np.array(sizes).T[::-1])

    @cached_property
    def chart(self) -> Chart:
        """Where the networks lie between each other."""
        return Chart([entry.architecture for entry in self.entries])

    def features(self, place: int) -> dict[str, float]:
        """Sizes of a network, and how many layers of each kind it has."""
        if place not in self._features:
            architecture = self.entries[place].architecture
            found = {
                "log parameters": float(np.log1p(architecture.parameters)),
                "log flops": float(np.log1p(architecture.flops)),
                "skips": float(len(skips(architecture))),
            }
            for node in architecture.nodes:
                kind = LAYERS.kind_of(node.layer)
                found[kind] = found.get(kind, 0.0) + 1
            self._features[place] = found
        return self._features[place]


class Walk:
    """One simulated search, without a random share of the lines."""

    def __init__(self, table: Table, seed: int, left_out: float = 0.0, noise: float = 0.0) -> None:
        self.table, self.noise = table, noise
        self.rng = np.random.default_rng(seed)
        self.seen: list[int] = []  # places, in order
        self.shown: list[float] = []  # their values
        order = np.random.default_rng([seed, 1]).permutation(len(table))
        first = int(self.rng.integers(len(table)))
        self.known: NDArray[np.bool_] = np.zeros(len(table), dtype=bool)  # seen, or left out
        self.known[order[order != first][: int(left_out * len(table))]] = True
        self.best = float(table.true[~self.known].max())
        self.visit(first)

    def visit(self, place: int) -> None:
        """Evaluate a line: one of its values, at random."""
        self.seen.append(place)
        self.shown.append(self.look(place))
        self.known[place] = True

    def look(self, place: int) -> float:
        """A value of a line, at random of all that it has, with the noise of this walk."""
        shown = float(self.rng.choice(self.table.looks[place]))
        return shown + self.noise * float(self.rng.standard_normal()) if self.noise else shown

    def fresh(self, place: int) -> list[int]:
        """The unseen neighbours of a line that names some."""
        return [one for one in self.table.neighbours(place) if not self.known[one]]

    def any_of(self, places: Sequence[int]) -> int:
        """A random unseen neighbour of the first line that has one; else any unseen line."""
        for place in places if self.table.has_neighbours else ():
            if fresh := self.fresh(place):
                return fresh[int(self.rng.integers(len(fresh)))]
        return self.anywhere(1)[0]

    def anywhere(self, count: int) -> list[int]:
        """Up to so many different unseen lines, at random."""
        unseen = len(self.table) - int(self.known.sum())
        if 4 * (len(self.table) - unseen + count) > len(self.table):
            places = np.flatnonzero(~self.known)
            return [int(one) for one in self.rng.permutation(places)[:count]]
        found: dict[int, None] = {}
        while len(found) < min(count, unseen):
            place = int(self.rng.integers(len(self.table)))
            if not self.known[place]:
                found[place] = None
        return list(found)

    def ranked(self) -> list[int]:
        """The seen lines from the best to the worst."""
        order = np.argsort([-value for value in self.shown], kind="stable")
        return [self.seen[place] for place in order]


class Reach:
    """How many moves each line is from the nearest seen one."""

    def __init__(self, table: Table, most: int) -> None:
        self._table, self._most = table, most
        self.moves: NDArray[np.int8] = np.full(len(table), FAR, dtype=np.int8)

    def add(self, place: int) -> None:
        """One more line is seen. A line's moves only fall: a whole walk looks at few edges."""
        self.moves[place] = 0
        waiting = deque([place])
        while waiting:
            here = waiting.popleft()
            there = int(self.moves[here]) + 1
            if there > self._most:
                continue
            for other in self._table.neighbours(here):
                if self.moves[other] > there:
                    self.moves[other] = there
                    waiting.append(other)


Walker = Callable[[Walk], int]


def random_line(walk: Walk) -> int:
    """A neighbour of a random line."""
    return walk.any_of([int(one) for one in walk.rng.permutation(walk.seen)])


def bfs(walk: Walk) -> int:
    """A neighbour of the oldest line that has one."""
    return walk.any_of(walk.seen)


def hill_climbing(walk: Walk) -> int:
    """A neighbour of the best line that has one."""
    return walk.any_of(walk.ranked())


def evolution(walk: Walk) -> int:
    """A neighbour of the best of a sample of the youngest lines (Real et al. 2019)."""
    young = walk.seen[-POPULATION:]
    size = min(SAMPLE, len(young))
    sample = set(walk.rng.choice(young, size=size, replace=False).tolist())
    chosen = [place for place in walk.ranked() if place in sample]
    return walk.any_of([*chosen, *reversed(young)])


def grid(walk: Walk) -> int:
    """Lines evenly apart in the order of size, the smallest first; then any."""
    order = walk.table.by_size
    for place in order[np.linspace(0, len(order) - 1, min(GRID, len(order))).astype(int)]:
        if not walk.known[place]:
            return int(place)
    return walk.any_of([])


BASELINES: Mapping[str, Walker] = {
    "bfs": bfs,
    "evolution": evolution,
    "grid": grid,
    "hill-climbing": hill_climbing,
    "random": random_line,
}
