"""How far from the best a search is after some evaluations, by strategy.

`python -m benchmarks.regret [--table FILE ...] [--seeds 20] [--left-out 0.3] [--plot FILE]
[--markdown FILE]`. On a table the search moves over its neighbours (`benchmarks/walks.py`); without
one, or on the table named `landscape`, it is the real search over a made-up landscape. Regret: the
best true value less the true value of the network that looks best so far. The best few networks of
one table are where chance put them; with some lines left out they are others in each search.
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
from benchmarks.findable import findable
from benchmarks.searches import LANDSCAPE, shared_out, short_name, table_at
from benchmarks.walk_bayesian import BayesianWalker, ScratchWalker
from benchmarks.walk_reinforce import ReinforceWalker
from benchmarks.walks import BASELINES, Table, Walk, Walker
from core.search.strategies import STRATEGIES
from core.similarity.edit_distance import Floats

MARKS = (20, 50, 100, 200)  # evaluations

#: Makes the walker of one walk, by strategy.
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
    true = [table.true[place] for place in walk.seen]
    return [walk.best - one for one in of_the_best(walk.shown, true)]


def of_the_best(shown: Sequence[float], true: Sequence[float]) -> Iterator[float]:
    """After each evaluation, the true value of the one that looks best."""
    place = 0
    for number, value in enumerate(shown):
        if value > shown[place]:
            place = number
        yield float(true[place])


def regrets_on_landscape(strategy: str, seed: int, evaluations: int) -> list[float]:
    """The same for the real search over the made-up landscape."""
    shown, true = landscape.search(strategy, seed, evaluations)
    return [landscape.BEST - one for one in of_the_best(shown, true)]


def simulate(task: Task) -> list[float]:
    """The regrets of one search, wherever it is run."""
    with threadpool_limits(1):
        if task.table == LANDSCAPE:
            return regrets_on_landscape(task.strategy, task.seed, task.evaluations)
        walker = WALKS[task.strategy]()
        table = table_at(task.table)
        return regrets_on_table(table, walker, task.seed, task.evaluations, task.left_out)


def simulate_all(tasks: Sequence[Task], jobs: int) -> Iterator[list[float]]:
    """The regrets of all searches in order, each one named on the standard error."""
    for task, result in zip(tasks, shared_out(simulate, tasks, jobs), strict=True):
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
        strategy: np.array(found[place * seeds : (place + 1) * seeds])
        for place, strategy in enumerate(strategies)
    }


def at_marks(regrets: Floats) -> dict[str, dict[str, float]]:
    """Mean and standard error after some evaluations: (seeds, evaluations)"""
    mean, error = regret_report.mean_and_error(regrets)
    return {
        str(mark): {"mean": float(mean[mark - 1]), "se": float(error[mark - 1])}
        for mark in MARKS
        if mark <= regrets.shape[1]
    }


def measure(options: argparse.Namespace) -> reporting.Result:
    """Mean regret and its standard error at the marks, by strategy; by table if there are more."""
    # at once: a missing package is told before hours of searches
    plotter = options.plot and importlib.import_module("benchmarks.regret_plot")
    names: list[str] = options.table or [LANDSCAPE]
    seeds = options.seeds or (3 if options.quick else 20)
    found: dict[str, dict[str, Floats]] = {}
    for name in names:
        is_short = options.quick and name == LANDSCAPE
        if name != LANDSCAPE:
            table_at(name)  # which complains before anything else is done
        evaluations = MARKS[0] if is_short else options.evaluations
        short = short_name(name)
        found[short] = curves(name, seeds, evaluations, options.jobs)
        if options.left_out and name != LANDSCAPE:
            thin = curves(name, seeds, evaluations, options.jobs, options.left_out)
            found[f"{short}, {options.left_out:.0%} left out"] = thin
    if plotter is not None:
        plotter.draw(found, options.plot)
    by_table: reporting.Result = {
        name: {"seeds": seeds, **{kind: at_marks(one) for kind, one in regrets.items()}}
        for name, regrets in found.items()
    }
    if options.markdown is not None:
        plot = options.plot and os.path.relpath(options.plot, options.markdown.parent)
        tables = [name for name in names if name != LANDSCAPE]
        bests = {short_name(name): findable(table_at(name)) for name in tables}
        options.markdown.write_text(regret_report.page(by_table, plot, bests))
    return by_table if len(by_table) > 1 else next(iter(by_table.values()))


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 to less than 1")
    return share


def main() -> None:
    """Measure and print."""
    parser = searches.parser(__doc__)
    parser.add_argument("--evaluations", type=int, default=max(MARKS), help="of each search")
    parser.add_argument(
        "--left-out",
        type=_share,
        default=0.0,
        help="search each table again without this share of its lines, others in each search",
    )
    parser.add_argument("--plot", type=Path, help="draw the regrets to this .svg or .png file")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
