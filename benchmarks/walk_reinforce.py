"""The controller of `reinforce` over a table, where moves have no names.

It chooses a parent among the best lines, then a neighbour by the changes that the move makes: in
sizes, and in the number of layers of each kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, pi, tan

from benchmarks.walks import Table, Walk
from core.search.strategies.policy import Baseline, Choices, Policy, choices
from core.search.strategies.reinforce import Reinforce

ANYWHERE = 50  # random lines to choose from where the table names no neighbours
_MOST = 2.0  # largest change of a feature that the policy sees


@dataclass(frozen=True, slots=True)
class _Choice:
    """The last choice; the policies learn from it when its value is observed."""

    parents: Choices
    parent: int  # index among the parents
    parent_reward: float
    moves: Choices
    move: int  # index among the moves


class ReinforceWalker:
    """Draws a neighbour from a policy that learns from the walk."""

    def __init__(self) -> None:
        self._options = Reinforce()
        self._parents, self._moves = Policy({"rank": -2.0}), Policy()
        self._of_values = Baseline(self._options.memory)
        self._of_gains = Baseline(self._options.memory)
        self._children: dict[int, int] = {}
        self._last: _Choice | None = None

    def __call__(self, walk: Walk) -> int:
        if self._last is not None:
            self._learn(self._last, _reward(walk.observed[-1]))
        pool = self._pool(walk)
        if not pool:
            self._last = None
            return walk.move_from([])
        parents = choices(
            [
                {"rank": rank / len(pool), "children": log2(1 + self._children.get(index, 0))}
                for rank, index in enumerate(pool)
            ],
            prior=[1.0] * len(pool),
        )
        parent = self._parents.order(parents, walk.rng)[0]
        index = pool[parent]
        targets = (
            walk.unseen_neighbours(index)
            if walk.table.has_neighbours
            else walk.random_unseen(ANYWHERE)
        )
        moves = changes(walk.table, index, targets)
        move = self._moves.order(moves, walk.rng)[0]
        before = _reward(walk.observed[walk.seen.index(index)])
        self._children[index] = self._children.get(index, 0) + 1
        self._last = _Choice(parents, parent, before, moves, move)
        return targets[move]

    def _pool(self, walk: Walk) -> list[int]:
        """The best lines that have unseen neighbours."""
        found: list[int] = []
        for index in walk.ranked():
            if not walk.table.has_neighbours or walk.unseen_neighbours(index):
                found.append(index)
            if len(found) == self._options.pool:
                break
        return found

    def _learn(self, last: _Choice, reward: float) -> None:
        rate = self._options.rate
        self._parents.learn(last.parents, last.parent, rate * self._of_values.advantage(reward))
        gain = self._of_gains.advantage(reward - last.parent_reward)
        self._moves.learn(last.moves, last.move, rate * gain)


def changes(table: Table, index: int, others: Sequence[int]) -> Choices:
    """The moves from a line to others, described by the changes that they make."""
    before = table.features(index)
    descriptions = []
    for other in others:
        after = table.features(other)
        names = [*before, *(name for name in after if name not in before)]
        differences = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}
        descriptions.append(
            {name: min(max(by, -_MOST), _MOST) for name, by in differences.items() if by}
        )
    return choices(descriptions, prior=[1.0] * len(others))


def _reward(value: float) -> float:
    """The tangent of a rate, as in the strategy."""
    return tan(pi / 2 * min(value, 0.999)) if 0 <= value <= 1 else value
