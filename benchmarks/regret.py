"""How far from the best a search is after some evaluations, by strategy.

`python -m benchmarks.regret [--table FILE] [--seeds 20]`. On a table the search starts at a random
line and moves to neighbours of lines that it has seen (to any line where the table names no
neighbours), and is shown a line's value or one of its repeats, at random. Without a table it is
the real search over a made-up landscape. Regret: the best true value less the true value of the
network that looks best so far.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

from benchmarks import histories, reporting, tables
from core.acquisition import confidence_bound
from core.history import Seen
from core.roots import roots
from core.search import Snapshot, step
from core.strategies import STRATEGIES
from core.strategies.bayesian import PARENTS_PER_MORPHISM, Bayesian
from core.surrogate import Observation, Surrogate, fit
from core.trial import TrialStatus

MARKS = (20, 50, 100, 200)  # evaluations
POPULATION, SAMPLE = 20, 5  # of regularised evolution
REFIT = 0.1  # more observations, as a share, before hyper-parameters are fitted again
BEST = 0.98  # the highest value of the made-up landscape
CANDIDATES = 200  # scored for one suggestion on it


@dataclass(slots=True)
class Walk:
    """One simulated search over a table."""

    table: Sequence[tables.Entry]
    rng: np.random.Generator
    seen: list[int] = field(default_factory=list)  # places, in order
    shown: list[float] = field(default_factory=list)  # their values
    known: set[int] = field(default_factory=set)
    surrogate: Surrogate | None = None
    fitted: int = 0  # observations at the last fit

    def visit(self, place: int) -> None:
        """Evaluate a line: one of its values, at random."""
        entry = self.table[place]
        self.seen.append(place)
        self.shown.append(float(self.rng.choice([entry.value, *entry.repeats])))
        self.known.add(place)

    def fresh(self, place: int) -> list[int]:
        """The unseen neighbours of a line."""
        neighbours = self.table[place].neighbours
        others = range(len(self.table)) if neighbours is None else neighbours
        return [one for one in others if one not in self.known]

    def any_of(self, places: Sequence[int]) -> int:
        """A random unseen neighbour of the first line that has one; else any unseen line."""
        for place in places:
            if fresh := self.fresh(place):
                return int(self.rng.choice(fresh))
        return int(self.rng.choice([p for p in range(len(self.table)) if p not in self.known]))

    def ranked(self) -> list[int]:
        """The seen lines from the best to the worst."""
        order = np.argsort([-value for value in self.shown], kind="stable")
        return [self.seen[place] for place in order]


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


def bayesian(walk: Walk) -> int:
    """The line of the highest acquisition among those some moves away."""
    strategy = Bayesian()
    if walk.surrogate is None or len(walk.seen) >= walk.fitted * (1 + REFIT):
        walk.surrogate = fit(
            [
                Observation(walk.table[place].architecture, value)
                for place, value in zip(walk.seen, walk.shown, strict=True)
            ],
            strategy.kernel,
        )
        walk.fitted = len(walk.seen)
    else:
        last = walk.surrogate.geometry.points([walk.table[walk.seen[-1]].architecture])
        walk.surrogate = walk.surrogate.told(last, np.array(walk.shown[-1:]), np.zeros(1))
    moves = min(strategy.morphisms, 1 + len(walk.seen) // PARENTS_PER_MORPHISM)
    reached = _within(walk, moves)
    if not reached:
        return walk.any_of([])
    points = walk.surrogate.geometry.points([walk.table[place].architecture for place in reached])
    alphas = confidence_bound(*walk.surrogate.posterior(points), strategy.beta)
    return reached[int(np.argmax(alphas))]


def _within(walk: Walk, moves: int) -> list[int]:
    """The unseen lines at most so many moves from a seen one, in order."""
    if walk.table[walk.seen[0]].neighbours is None:
        return walk.fresh(walk.seen[0])
    found: set[int] = set()
    edge: set[int] = set(walk.seen)
    for _ in range(moves):
        edge = (
            {other for place in edge for other in walk.table[place].neighbours or ()}
            - found
            - walk.known
        )
        found |= edge
    return sorted(found)


WALKS: Mapping[str, Callable[[Walk], int]] = {
    "bayesian": bayesian,
    "bfs": bfs,
    "evolution": evolution,
    "hill-climbing": hill_climbing,
    "random": random_line,
}


def regrets_on_table(
    table: Sequence[tables.Entry], choose: Callable[[Walk], int], seed: int, evaluations: int
) -> list[float]:
    """The regret after each evaluation of one search."""
    walk = Walk(table, np.random.default_rng(seed))
    walk.visit(int(walk.rng.integers(len(table))))
    while len(walk.seen) < min(evaluations, len(table)):
        walk.visit(choose(walk))
    best = max(entry.mean for entry in table)
    true = [table[place].mean for place in walk.seen]
    return [best - one for one in _of_the_best(walk.shown, true)]


def _of_the_best(shown: Sequence[float], true: Sequence[float]) -> Iterator[float]:
    """After each evaluation, the true value of the one that looks best."""
    place = 0
    for number, value in enumerate(shown):
        if value > shown[place]:
            place = number
        yield true[place]


def regrets_of_search(strategy: str, seed: int, evaluations: int) -> list[float]:
    """The same for the real search over the made-up landscape."""
    rng = np.random.default_rng([seed, 1])
    trials: list[Seen] = []
    true: list[float] = []
    options = {"candidates": CANDIDATES} if hasattr(STRATEGIES[strategy], "candidates") else {}
    while len(trials) < evaluations:
        for one in step(
            Snapshot(
                seed=seed,
                next_number=len(trials),
                count=1,
                strategy=strategy,
                strategy_options=options,
                roots=roots(histories.SPEC, histories.BOUNDS),
                bounds=histories.BOUNDS,
                trials=tuple(trials),
            )
        ):
            true.append(histories.value(histories.features(one.architecture)))
            trials.append(
                Seen(
                    trial_id=UUID(int=len(trials)),
                    number=len(trials),
                    architecture=one.architecture,
                    status=TrialStatus.COMPLETED,
                    value=true[-1] + histories.NOISE * float(rng.standard_normal()),
                    value_std=histories.NOISE,
                    inheritable=True,
                    parent_id=one.parent_id,
                    morphisms=one.morphisms,
                )
            )
    shown = [float(trial.value or 0.0) for trial in trials]
    return [BEST - one for one in _of_the_best(shown, true)]


def measure(options: argparse.Namespace) -> reporting.Result:
    """Mean regret and its standard error at the marks, by strategy."""
    table = None if options.table is None else tables.read(options.table)
    names = list(WALKS) if table is not None else list(STRATEGIES)
    seeds = options.seeds or (3 if options.quick else 20)
    evaluations = 20 if options.quick and table is None else max(MARKS)
    result: reporting.Result = {"seeds": seeds}
    for name in names:
        rows = []
        for seed in range(seeds):
            if table is not None:
                rows.append(regrets_on_table(table, WALKS[name], seed, evaluations))
            else:
                rows.append(regrets_of_search(name, seed, evaluations))
            print(f"{name}: seed {seed + 1} of {seeds}", file=sys.stderr)
        found = np.array(rows)
        error = found.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else 0 * found[0]
        result[name] = {
            str(mark): {"mean": float(found[:, mark - 1].mean()), "se": float(error[mark - 1])}
            for mark in MARKS
            if mark <= found.shape[1]
        }
    return result


def main() -> None:
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--table", type=Path, help="JSON lines, plain or gzip")
    parser.add_argument("--seeds", type=int, help="searches of each strategy; 20 unless quick")
    try:
        reporting.run(measure, parser.parse_args())
    except tables.WrongTable as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
