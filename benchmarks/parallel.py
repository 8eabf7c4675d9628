"""What more workers bring: test error against the wall clock for 1, 2, 4 and 8 of them.

`python -m benchmarks.parallel [--seconds 300] [--seeds 3] [--workers 1 2 4 8]`: the budget is on
the clock of the search. The workers are simulated: their trainings are carried out one after the
other, each as if alone on one core, so that N workers take up to N times the budget to measure.
Records are appended to `--out`; runs that are there are not repeated.
"""

import argparse

from benchmarks import comparison, contenders, experiment, reporting
from benchmarks.records import Record, Run

DATASETS = ("fashion-1000", "mnist1d")
WORKERS = (1, 2, 4, 8)
REFERENCE = "1 worker"
QUICK = {"datasets": ["digits"], "seconds": 10.0, "seeds": 1, "jobs": 2, "workers": [1, 2]}


def named(workers: int) -> str:
    """The contender with so many workers."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def carry_out(run: Run) -> Record:
    """One search."""
    workers = int(run.contender.split()[0])
    return contenders.search(run, with_curve=True, parallelism=workers)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out what is missing; errors by data set and number of workers."""
    if options.quick:
        vars(options).update(QUICK)
    names = [named(workers) for workers in options.workers]
    runs = experiment.paired(names, options, DATASETS)
    found = experiment.records_of(runs, "benchmarks.parallel", options)
    return comparison.report(found, REFERENCE, options, "More workers")


def main() -> None:
    """Measure and print."""
    parser = experiment.parser(__doc__, seconds=300.0, seeds=3)
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
