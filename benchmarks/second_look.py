"""Measures the benefit of evaluating the best-looking networks again, within the same budget.

`python -m benchmarks.second_look [--table FILE ...] [--seeds 20]`: searches by `bayesian` over
tables whose values are observed with noise, as large as that of a table's repeats. The last k
evaluations evaluate the k networks that look best again; the highest mean of two values wins. The
results are, by table, number of evaluations and k, the mean regret and its standard error;
`visited` is the regret of the best network seen, which no choice can improve on.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import reporting, searches
from benchmarks.predictability import chance
from benchmarks.regret_report import mean_and_error
from benchmarks.searches import map_in_processes, short_name, table_at
from benchmarks.surrogate import DATA
from benchmarks.walk_bayesian import BayesianWalker
from benchmarks.walks import Walk
from core.similarity.edit_distance import Floats

MARKS = (50, 100)  # evaluations
LOOKS = (0, 1, 3, 5, 8)  # k
NOISE = 0.01  # assumed for a table without repeats
TABLES = tuple(str(DATA / f"fashion-{name}.jsonl.gz") for name in ("cells", "chains"))


@dataclass(frozen=True, slots=True)
class Task:
    """One search to simulate."""

    table: str
    seed: int
    evaluations: int


def winner(observed: Sequence[float], again: int, observe: Callable[[int], float]) -> int:
    """The index of the winner, after the `again` best-looking networks are evaluated once more."""
    order = np.argsort(-np.asarray(observed), kind="stable")
    if not again:
        return int(order[0])
    means = {int(index): (observed[index] + observe(int(index))) / 2 for index in order[:again]}
    return max(means, key=lambda index: means[index])


def simulate(task: Task) -> list[float]:
    """The regret for each k at each mark, each mark followed by that of the best network seen."""
    table = table_at(task.table)
    noise = chance(table)
    walk = Walk(table, task.seed, noise=NOISE if noise is None else noise)
    walker = BayesianWalker()
    with threadpool_limits(1):
        while len(walk.seen) < task.evaluations and not walk.known.all():
            walk.visit(walker(walk))
    regrets = []
    for mark in _marks(task.evaluations):
        for again in LOOKS:
            seen, observed = walk.seen[: mark - again], walk.observed[: mark - again]
            index = winner(observed, again, lambda index, seen=seen: walk.observe(seen[index]))  # type: ignore[misc]
            regrets.append(walk.best - float(table.true[seen[index]]))
        regrets.append(walk.best - float(table.true[walk.seen[:mark]].max()))
    return regrets


def _marks(evaluations: int) -> list[int]:
    return [mark for mark in MARKS if mark <= evaluations] or [evaluations]


def results(regrets: Floats, evaluations: int) -> reporting.Result:
    """Mean and standard error by mark and k, of regrets of shape (seeds, marks × (k + 1))."""
    mean, error = mean_and_error(regrets)
    names = [*(str(again) for again in LOOKS), "visited"]
    cells = iter(zip(mean.tolist(), error.tolist(), strict=True))
    return {
        str(mark): {name: dict(zip(("mean", "se"), next(cells), strict=True)) for name in names}
        for mark in _marks(evaluations)
    }


def measure(options: argparse.Namespace) -> reporting.Result:
    """The regrets by table."""
    seeds, evaluations = options.seeds or (3 if options.quick else 20), MARKS[-1]
    found = {}
    for name in options.table or TABLES:
        tasks = [Task(name, seed, 20 if options.quick else evaluations) for seed in range(seeds)]
        regrets = np.array(list(map_in_processes(simulate, tasks, options.jobs)))
        found[short_name(name)] = results(regrets, tasks[0].evaluations)
    return found


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, searches.parser(__doc__).parse_args())


if __name__ == "__main__":
    main()
