"""Measures the benefit of more workers: test error against the wall clock for 1, 2, 4 and 8.

`python -m benchmarks.parallel [--seconds 300] [--seeds 3] [--workers 1 2 4 8]`: the budget is on
the clock of the search. The workers are simulated: their trainings are carried out one after the
other, each as if alone on one core, so that N workers take up to N times the budget to measure.
Records are appended to `--out`; runs that have a record are not repeated.
"""

import argparse

from benchmarks import contenders, experiment, reporting
from benchmarks.comparison import Comparison
from benchmarks.records import Record, Run

WORKERS = (1, 2, 4, 8)


def contender_name(workers: int) -> str:
    """The name of the contender with this number of workers."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def carry_out(run: Run) -> Record:
    """Carry out one search."""
    workers = int(run.contender.split()[0])
    return contenders.search(run, with_curve=True, parallelism=workers)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out the missing runs and return the errors by data set and number of workers."""
    experiment.shorten(options, workers=[1, 2])
    comparison = Comparison(
        module="benchmarks.parallel",
        title="More workers",
        reference=contender_name(1),
        contenders=[contender_name(workers) for workers in options.workers],
        datasets=("fashion-1000", "mnist1d"),
    )
    return comparison.measure(options)


def main() -> None:
    """Parse the options, measure and print."""
    parser = experiment.parser(__doc__, seconds=300.0, seeds=3)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=list(WORKERS), help="numbers of workers"
    )
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
