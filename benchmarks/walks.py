"""Searches over a table of evaluated networks: a walk, and the baselines that choose its lines.

A walk starts at a random line and moves to unseen neighbours of seen lines, or to any line where
the table names no neighbours. Where every line has repeats, an evaluation observes the value or one
of the repeats at random, and the true value is their mean. Where only some lines have repeats,
these are ignored, because means cannot be compared with the luckiest of many single values. A
walker chooses the next line; it is used for one walk and may keep state.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks import tables
from benchmarks.distance_cache import DistanceCache
from core.layers import LAYERS
from core.similarity.edit_distance import Floats, skips

POPULATION, SAMPLE = 20, 5  # of regularised evolution
GRID = 49  # lines of the grid, as in the strategy `grid`
FAR = 100  # moves; marks a line that is not reached


class Table:
    """Evaluated networks, and what walks compute from them, cached."""

    def __init__(self, entries: Sequence[tables.Entry]) -> None:
        self.entries = entries
        is_repeated = all(entry.repeats for entry in entries)
        self.values = [
            (entry.value, *(entry.repeats if is_repeated else ())) for entry in entries
        ]  # that an evaluation may observe
        self.true: Floats = np.array([np.mean(values) for values in self.values])
        self.lines = np.arange(len(entries))
        self.has_neighbours = any(entry.neighbours is not None for entry in entries)
        self._features: dict[int, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def neighbours(self, index: int) -> tuple[int, ...]:
        """The lines one move away; empty where the table names no neighbours."""
        return self.entries[index].neighbours or ()

    @cached_property
    def by_size(self) -> NDArray[np.intp]:
        """The lines from the smallest network to the largest."""
        sizes = [(one.architecture.parameters, one.architecture.flops) for one in self.entries]
        return np.lexsort(np.array(sizes).T[::-1])

    @cached_property
    def distances(self) -> DistanceCache:
        """The distances between the networks."""
        return DistanceCache([entry.architecture for entry in self.entries])

    def features(self, index: int) -> dict[str, float]:
        """The sizes of a network and its number of layers of each kind."""
        if index not in self._features:
            architecture = self.entries[index].architecture
            found = {
                "log parameters": float(np.log1p(architecture.parameters)),
                "log flops": float(np.log1p(architecture.flops)),
                "skips": float(len(skips(architecture))),
            }
            for node in architecture.nodes:
                kind = LAYERS.kind_of(node.layer)
                found[kind] = found.get(kind, 0.0) + 1
            self._features[index] = found
        return self._features[index]


class Walk:
    """One simulated search; `left_out` is a random share of the lines that do not exist for it."""

    def __init__(self, table: Table, seed: int, left_out: float = 0.0, noise: float = 0.0) -> None:
        self.table, self.noise = table, noise
        self.rng = np.random.default_rng(seed)
        self.seen: list[int] = []  # indices of lines, in order
        self.observed: list[float] = []  # the values of these lines
        order = np.random.default_rng([seed, 1]).permutation(len(table))
        first = int(self.rng.integers(len(table)))
        self.known: NDArray[np.bool_] = np.zeros(len(table), dtype=bool)  # seen, or left out
        self.known[order[order != first][: int(left_out * len(table))]] = True
        self.best = float(table.true[~self.known].max())
        self.visit(first)

    def visit(self, index: int) -> None:
        """Evaluate a line and record the observed value."""
        self.seen.append(index)
        self.observed.append(self.observe(index))
        self.known[index] = True

    def observe(self, index: int) -> float:
        """A random one of the values of a line, with the noise of this walk."""
        value = float(self.rng.choice(self.table.values[index]))
        return value + self.noise * float(self.rng.standard_normal()) if self.noise else value

    def unseen_neighbours(self, index: int) -> list[int]:
        """The unseen neighbours of a line that names some."""
        return [one for one in self.table.neighbours(index) if not self.known[one]]

    def move_from(self, indices: Sequence[int]) -> int:
        """A random unseen neighbour of the first line that has one; else any unseen line."""
        for index in indices if self.table.has_neighbours else ():
            if unseen := self.unseen_neighbours(index):
                return unseen[int(self.rng.integers(len(unseen)))]
        return self.random_unseen(1)[0]

    def random_unseen(self, count: int) -> list[int]:
        """Up to this many different unseen lines, at random."""
        unseen = len(self.table) - int(self.known.sum())
        if 4 * (len(self.table) - unseen + count) > len(self.table):
            indices = np.flatnonzero(~self.known)
            return [int(one) for one in self.rng.permutation(indices)[:count]]
        found: dict[int, None] = {}
        while len(found) < min(count, unseen):
            index = int(self.rng.integers(len(self.table)))
            if not self.known[index]:
                found[index] = None
        return list(found)

    def ranked(self) -> list[int]:
        """The seen lines from the best to the worst."""
        order = np.argsort([-value for value in self.observed], kind="stable")
        return [self.seen[position] for position in order]


class MoveCounts:
    """The number of moves from each line to the nearest seen line."""

    def __init__(self, table: Table, most: int) -> None:
        self._table, self._most = table, most
        self.moves: NDArray[np.int8] = np.full(len(table), FAR, dtype=np.int8)

    def add(self, index: int) -> None:
        """Count the moves from one more seen line. Counts only fall, so few edges are visited."""
        self.moves[index] = 0
        waiting = deque([index])
        while waiting:
            line = waiting.popleft()
            moves = int(self.moves[line]) + 1
            if moves > self._most:
                continue
            for other in self._table.neighbours(line):
                if self.moves[other] > moves:
                    self.moves[other] = moves
                    waiting.append(other)


Walker = Callable[[Walk], int]


def random_line(walk: Walk) -> int:
    """A neighbour of a random line."""
    return walk.move_from([int(one) for one in walk.rng.permutation(walk.seen)])


def bfs(walk: Walk) -> int:
    """A neighbour of the oldest line that has one."""
    return walk.move_from(walk.seen)


def hill_climbing(walk: Walk) -> int:
    """A neighbour of the best line that has one."""
    return walk.move_from(walk.ranked())


def evolution(walk: Walk) -> int:
    """A neighbour of the best of a sample of the youngest lines (Real et al. 2019)."""
    young = walk.seen[-POPULATION:]
    size = min(SAMPLE, len(young))
    sample = set(walk.rng.choice(young, size=size, replace=False).tolist())
    chosen = [index for index in walk.ranked() if index in sample]
    return walk.move_from([*chosen, *reversed(young)])


def grid(walk: Walk) -> int:
    """Lines at even distances in the order of size, the smallest first; then any."""
    order = walk.table.by_size
    for index in order[np.linspace(0, len(order) - 1, min(GRID, len(order))).astype(int)]:
        if not walk.known[index]:
            return int(index)
    return walk.move_from([])


BASELINES: Mapping[str, Walker] = {
    "bfs": bfs,
    "evolution": evolution,
    "grid": grid,
    "hill-climbing": hill_climbing,
    "random": random_line,
}
