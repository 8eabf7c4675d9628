"""How the controller of `reinforce` walks over a table, where moves have no names.

It chooses a parent among the best lines, then a neighbour by what changes on the way there: sizes,
and how many layers of each kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, pi, tan

from benchmarks.walks import Table, Walk
from core.search.strategies.policy import Baseline, Choices, Policy, choices
from core.search.strategies.reinforce import Reinforce

ANYWHERE = 50  # random lines to choose from where the table names no neighbours
_MOST = 2.0  # that a feature may change


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What was chosen last, to be learned from once its value is shown."""

    parents: Choices
    parent: int  # place among the parents
    parent_reward: float
    moves: Choices
    move: int  # place among the moves


class ReinforceWalker:
    """A neighbour drawn from a policy that learns from the walk."""

    def __init__(self) -> None:
        self._options = Reinforce()
        self._parents, self._moves = Policy({"rank": -2.0}), Policy()
        self._of_values = Baseline(self._options.memory)
        self._of_gains = Baseline(self._options.memory)
        self._children: dict[int, int] = {}
        self._last: _Chosen | None = None

    def __call__(self, walk: Walk) -> int:
        if self._last is not None:
            self._learn(self._last, _reward(walk.shown[-1]))
        pool = self._pool(walk)
        if not pool:
            self._last = None
            return walk.any_of([])
        parents = choices(
            [
                {"rank": rank / len(pool), "children": log2(1 + self._children.get(place, 0))}
                for rank, place in enumerate(pool)
            ],
            prior=[1.0] * len(pool),
        )
        parent = self._parents.order(parents, walk.rng)[0]
        place = pool[parent]
        fresh = walk.fresh(place) if walk.table.has_neighbours else walk.anywhere(ANYWHERE)
        moves = changes(walk.table, place, fresh)
        move = self._moves.order(moves, walk.rng)[0]
        before = _reward(walk.shown[walk.seen.index(place)])
        self._children[place] = self._children.get(place, 0) + 1
        self._last = _Chosen(parents, parent, before, moves, move)
        return fresh[move]

    def _pool(self, walk: Walk) -> list[int]:
        """The best lines that have unseen neighbours."""
        found: list[int] = []
        for place in walk.ranked():
            if not walk.table.has_neighbours or walk.fresh(place):
                found.append(place)
            if len(found) == self._options.pool:
                break
        return found

    def _learn(self, last: _Chosen, reward: float) -> None:
        rate = self._options.rate
        self._parents.learn(last.parents, last.parent, rate * self._of_values.advantage(reward))
        gain = self._of_gains.advantage(reward - last.parent_reward)
        self._moves.learn(last.moves, last.move, rate * gain)


def changes(table: Table, place: int, others: Sequence[int]) -> Choices:
    """Moves from a line to others, by what they change."""
    before = table.features(place)
    described = []
    for other in others:
        after = table.features(other)
        names = [*before, *(name for name in after if name not in before)]
        moved = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}
        described.append({name: min(max(by, -_MOST), _MOST) for name, by in moved.items() if by})
    return choices(described, prior=[1.0] * len(others))


def _reward(value: float) -> float:
    """The tangent of a rate, as the strategy has it."""
    return tan(pi / 2 * min(value, 0.999)) if 0 <= value <= 1 else value
