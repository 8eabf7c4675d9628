"""Measures the benefit of evaluating the best-looking networks again, within the same budget.

`python -m benchmarks.second_look [--table FILE ...] [--seeds 20] [--markdown FILE]`: searches by
`bayesian` over tables whose values are observed with noise, as large as that of a table's repeats.
The last k evaluations evaluate the k networks that look best again; the highest mean of two values
wins. The results are, by table, number of evaluations and k, the mean regret and its standard
error, and its change from that of k = 0 in the same searches; `visited` is the regret of the best
network seen, which no choice can improve on.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import reporting, searches, second_look_report
from benchmarks.predictability import chance
from benchmarks.regret_report import mean_and_error
from benchmarks.searches import map_in_processes, short_name, table_at
from benchmarks.surrogate import DATA
from benchmarks.walk_bayesian import BayesianWalker
from benchmarks.walks import Table, Walk
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
    walk = Walk(table, task.seed, noise=_noise(table))
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


def _noise(table: Table) -> float:
    found = chance(table)
    return NOISE if found is None else found


def _marks(evaluations: int) -> list[int]:
    return [mark for mark in MARKS if mark <= evaluations] or [evaluations]


def results(regrets: Floats, evaluations: int) -> reporting.Result:
    """Mean and standard error by mark and k, of regrets of shape (seeds, marks × (k + 1))."""
    names = [*(str(again) for again in LOOKS), "visited"]
    blocks = np.split(regrets, len(_marks(evaluations)), axis=1)
    return {
        str(mark): dict(zip(names, _cells(block), strict=True))
        for mark, block in zip(_marks(evaluations), blocks, strict=True)
    }


def _cells(regrets: Floats) -> list[dict[str, float]]:
    """The cells of one mark, of regrets of shape (seeds, k + 1), the first those of k = 0."""
    columns = (*mean_and_error(regrets), *mean_and_error(regrets - regrets[:, :1]))
    return [
        dict(zip(("mean", "se", "change", "change_se"), cell, strict=True))
        for cell in np.array(columns).T.tolist()
    ]


def measure(options: argparse.Namespace) -> reporting.Result:
    """The regrets by table."""
    seeds, evaluations = options.seeds or (3 if options.quick else 20), MARKS[-1]
    found: dict[str, reporting.Result] = {}
    for name in options.table or TABLES:
        tasks = [Task(name, seed, 20 if options.quick else evaluations) for seed in range(seeds)]
        regrets = np.array(list(map_in_processes(simulate, tasks, options.jobs)))
        facts = {"seeds": seeds, "noise": _noise(table_at(name))}
        found[short_name(name)] = facts | results(regrets, tasks[0].evaluations)
    if options.markdown is not None:
        options.markdown.write_text(second_look_report.page(found))
    return found


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, searches.parser(__doc__).parse_args())


if __name__ == "__main__":
    main()
