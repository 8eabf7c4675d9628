"""Measures how much of the front of value against parameters a search finds, by strategy.

`python -m benchmarks.front [--table FILE ...] [--seeds 20] [--markdown FILE]`. On a table the
search moves from line to neighbouring line (`benchmarks/walks.py`); on the table named `landscape`
it is the real search over a made-up landscape. The result is the hypervolume of the true values of
all evaluated networks, as a share of that of the complete table, up to its worst value and its
highest cost; on the landscape it is the hypervolume itself, up to its lowest value and a million
parameters.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import front_report, landscape, reporting, searches
from benchmarks.regret_report import mean_and_error
from benchmarks.searches import LANDSCAPE, map_in_processes, short_name, table_at
from benchmarks.surrogate import DATA
from benchmarks.walk_bayesian import BayesianWalker
from benchmarks.walk_front import FrontWalker
from benchmarks.walks import Table, Walk, Walker, evolution, hill_climbing, random_line
from core.protocol.contracts.search_config import Cost
from core.search.pareto import Reference, hypervolume
from core.similarity.edit_distance import Floats

MARKS = (12, 30, 50)  # evaluations
QUICK = 12  # evaluations on the landscape
TABLES = (LANDSCAPE, *(str(DATA / f"fashion-{name}.jsonl.gz") for name in ("cells", "chains")))
CORNER = Reference(value=0.8, log_cost=float(np.log(1_000_000)))  # of the landscape

#: Functions that make the walker of one walk from the logarithms of all costs, by search.
WALKS: Mapping[str, Callable[[Floats], Walker]] = {
    "bayesian": FrontWalker,
    "bayesian by value": lambda _: BayesianWalker(),
    "evolution": lambda _: evolution,
    "hill-climbing": lambda _: hill_climbing,
    "random": lambda _: random_line,
}
#: The strategy of a real search, and the cost in its configuration.
SEARCHES: Mapping[str, tuple[str, Cost | None]] = {
    "bayesian": ("bayesian", Cost.PARAMETERS),
    "bayesian by value": ("bayesian", None),
    "evolution": ("evolution", None),
    "hill-climbing": ("hill-climbing", None),
    "random": ("random", None),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One search to simulate."""

    table: str  # a file, or LANDSCAPE
    search: str  # of SEARCHES
    seed: int
    evaluations: int


def shares_on_table(table: Table, make: Callable[[Floats], Walker], task: Task) -> list[float]:
    """The share of the table's hypervolume after each mark of one walk."""
    log_costs = np.log([entry.architecture.parameters for entry in table.entries])
    corner = Reference(float(table.true.min()), float(log_costs.max()))
    total = hypervolume(table.true.tolist(), log_costs.tolist(), corner)
    walk, walker = Walk(table, task.seed), make(log_costs)
    while len(walk.seen) < min(task.evaluations, len(table)):
        walk.visit(walker(walk))
    volumes = _at_marks(table.true[walk.seen].tolist(), log_costs[walk.seen].tolist(), corner)
    return [volume / total for volume in volumes]


def volumes_on_landscape(task: Task) -> list[float]:
    """The hypervolume after each mark of one real search."""
    strategy, cost = SEARCHES[task.search]
    trials, true = landscape.trials_of(strategy, task.seed, task.evaluations, cost)
    log_costs = np.log([trial.architecture.parameters for trial in trials])
    return _at_marks(true, log_costs.tolist(), CORNER)


def _at_marks(values: list[float], log_costs: list[float], corner: Reference) -> list[float]:
    marks = [mark for mark in MARKS if mark <= len(values)] or [len(values)]
    return [hypervolume(values[:mark], log_costs[:mark], corner) for mark in marks]


def simulate(task: Task) -> list[float]:
    """The result of one search after each mark."""
    with threadpool_limits(1):
        if task.table == LANDSCAPE:
            return volumes_on_landscape(task)
        return shares_on_table(table_at(task.table), WALKS[task.search], task)


def results(name: str, seeds: int, evaluations: int, jobs: int) -> reporting.Result:
    """Mean and standard error at the marks by search, on one table."""
    by_search: reporting.Result = {"seeds": seeds}
    for search in WALKS:
        tasks = [Task(name, search, seed, evaluations) for seed in range(seeds)]
        mean, error = mean_and_error(np.array(list(map_in_processes(simulate, tasks, jobs))))
        by_search[search] = {
            str(mark): {"mean": float(mean[index]), "se": float(error[index])}
            for index, mark in enumerate(MARKS[: len(mean)])
        }
        print(f"{Path(name).name}: {search}", file=sys.stderr)
    return by_search


def measure(options: argparse.Namespace) -> reporting.Result:
    """The results of each search, by table."""
    names: list[str] = options.table or list(TABLES[::2] if options.quick else TABLES)
    for name in names:
        if name != LANDSCAPE:
            table_at(name)  # raises WrongTable before any search starts
    seeds = options.seeds or (2 if options.quick else 20)
    found = {
        short_name(name): results(
            name, seeds, QUICK if options.quick and name == LANDSCAPE else MARKS[-1], options.jobs
        )
        for name in names
    }
    if options.markdown is not None:
        options.markdown.write_text(front_report.page(found))
    return found


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, searches.parser(__doc__).parse_args())


if __name__ == "__main__":
    main()
