"""Measures how far a search is from the best network after some evaluations, by strategy.

`python -m benchmarks.regret [--table FILE ...] [--seeds 20] [--left-out 0.3] [--plot FILE]
[--markdown FILE]`. On a table the search moves from line to neighbouring line
(`benchmarks/walks.py`); without a table, or on the table named `landscape`, it is the real search
over a made-up landscape.
Regret is the best true value minus the true value of the network that looks best so far. Chance
decides where the best few networks of a table are; with some lines left out, each search has
others.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import landscape, regret_report, reporting, searches
from benchmarks.predictability import predictability
from benchmarks.searches import LANDSCAPE, map_in_processes, short_name, table_at
from benchmarks.walk_bayesian import BayesianWalker, ScratchWalker
from benchmarks.walk_reinforce import ReinforceWalker
from benchmarks.walks import BASELINES, Table, Walk, Walker
from core.search.strategies import STRATEGIES
from core.similarity.edit_distance import Floats

MARKS = (20, 50, 100, 200)  # evaluations

#: Functions that make the walker of one walk, by strategy.
WALKS: Mapping[str, Callable[[], Walker]] = {
    "bayesian": BayesianWalker,
    "bo-scratch": ScratchWalker,
    "reinforce": ReinforceWalker,
    **{name: partial(lambda walker: walker, walker) for name, walker in BASELINES.items()},
}


@dataclass(frozen=True, slots=True)
class Task:
    """One search to simulate."""

    table: str  # a file, or LANDSCAPE
    strategy: str
    seed: int
    evaluations: int
    left_out: float = 0.0  # share of the table's lines


def regrets_on_table(
    table: Table, walker: Walker, seed: int, evaluations: int, left_out: float = 0.0
) -> list[float]:
    """The regret after each evaluation of one walk."""
    walk = Walk(table, seed, left_out)
    while len(walk.seen) < evaluations and not walk.known.all():
        walk.visit(walker(walk))
    true = [table.true[index] for index in walk.seen]
    return [walk.best - one for one in of_the_best(walk.observed, true)]


def of_the_best(observed: Sequence[float], true: Sequence[float]) -> Iterator[float]:
    """The true value of the network that looks best, after each evaluation."""
    best = 0
    for number, value in enumerate(observed):
        if value > observed[best]:
            best = number
        yield float(true[best])


def regrets_on_landscape(strategy: str, seed: int, evaluations: int) -> list[float]:
    """The regret after each evaluation of one real search over the made-up landscape."""
    observed, true = landscape.search(strategy, seed, evaluations)
    return [landscape.BEST - one for one in of_the_best(observed, true)]


def simulate(task: Task) -> list[float]:
    """The regret after each evaluation of one search."""
    with threadpool_limits(1):
        if task.table == LANDSCAPE:
            return regrets_on_landscape(task.strategy, task.seed, task.evaluations)
        walker = WALKS[task.strategy]()
        table = table_at(task.table)
        return regrets_on_table(table, walker, task.seed, task.evaluations, task.left_out)


def simulate_all(tasks: Sequence[Task], jobs: int) -> Iterator[list[float]]:
    """The regrets of all searches in order; prints the name of each on standard error."""
    for task, result in zip(tasks, map_in_processes(simulate, tasks, jobs), strict=True):
        print(f"{Path(task.table).name}: {task.strategy}, seed {task.seed}", file=sys.stderr)
        yield result


def curves(
    name: str, seeds: int, evaluations: int, jobs: int, left_out: float = 0.0
) -> dict[str, Floats]:
    """The regrets on one table by strategy.  # shape of each: (seeds, evaluations)"""
    strategies = list(STRATEGIES) if name == LANDSCAPE else list(WALKS)
    tasks = [
        Task(name, strategy, seed, evaluations, left_out)
        for strategy in strategies
        for seed in range(seeds)
    ]
    found = list(simulate_all(tasks, jobs))
    return {
        strategy: np.array(found[index * seeds : (index + 1) * seeds])
        for index, strategy in enumerate(strategies)
    }


def at_marks(regrets: Floats) -> dict[str, dict[str, float]]:
    """Mean and standard error at the marks, of regrets of shape (seeds, evaluations)."""
    mean, error = regret_report.mean_and_error(regrets)
    return {
        str(mark): {"mean": float(mean[mark - 1]), "se": float(error[mark - 1])}
        for mark in MARKS
        if mark <= regrets.shape[1]
    }


def measure(options: argparse.Namespace) -> reporting.Result:
    """Mean regret and its standard error at the marks, by strategy; by table if several."""
    # Imported first, so that a missing package is reported before hours of searches.
    plotter = options.plot and importlib.import_module("benchmarks.regret_plot")
    names: list[str] = options.table or [LANDSCAPE]
    seeds = options.seeds or (3 if options.quick else 20)
    found: dict[str, dict[str, Floats]] = {}
    for name in names:
        is_shortened = options.quick and name == LANDSCAPE
        if name != LANDSCAPE:
            table_at(name)  # raises WrongTable before any search starts
        evaluations = MARKS[0] if is_shortened else options.evaluations
        title = short_name(name)
        found[title] = curves(name, seeds, evaluations, options.jobs)
        if options.left_out and name != LANDSCAPE:
            thinned = curves(name, seeds, evaluations, options.jobs, options.left_out)
            found[f"{title}, {options.left_out:.0%} left out"] = thinned
    if plotter is not None:
        plotter.draw(found, options.plot)
    by_table: reporting.Result = {
        name: {"seeds": seeds, **{kind: at_marks(one) for kind, one in regrets.items()}}
        for name, regrets in found.items()
    }
    if options.markdown is not None:
        plot = options.plot and os.path.relpath(options.plot, options.markdown.parent)
        tables = [name for name in names if name != LANDSCAPE]
        bests = {short_name(name): predictability(table_at(name)) for name in tables}
        options.markdown.write_text(regret_report.page(by_table, plot, bests))
    return by_table if len(by_table) > 1 else next(iter(by_table.values()))


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected at least 0 and less than 1")
    return share


def main() -> None:
    """Parse the options, measure and print."""
    parser = searches.parser(__doc__)
    parser.add_argument("--evaluations", type=int, default=max(MARKS), help="of each search")
    parser.add_argument(
        "--left-out",
        type=_share,
        default=0.0,
        help="search each table again, each time without another random share of its lines",
    )
    parser.add_argument("--plot", type=Path, help="draw the regrets to this .svg or .png file")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
