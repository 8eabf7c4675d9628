"""Which strategy finds the best network in the same CPU seconds.

`python -m benchmarks.strategies [--seconds 300] [--seeds 5] [--datasets NAME ...]`: searches by
each of Netmorph's strategies, by NASH as published and by one epoch for many, on the same data
with the same seeds. Records are appended to `--out`; runs that are there are not repeated.
"""

import argparse

from benchmarks import comparison, contenders, experiment, reporting, rivals
from benchmarks.records import Record, Run
from core.search.strategies import STRATEGIES

DATASETS = ("fashion-1000", "emoji", "mnist1d")
RIVALS = {"nash": rivals.hill_climb, "one-epoch-top-k": rivals.one_epoch_top_k}
REFERENCE = "bayesian"
QUICK = {"datasets": ["digits"], "seconds": 10.0, "seeds": 1, "jobs": 2}
QUICK_CONTENDERS = (REFERENCE, "one-epoch-top-k")


def carry_out(run: Run) -> Record:
    """One search."""
    if run.contender in RIVALS:
        return contenders.search(run, RIVALS[run.contender], with_curve=True)
    return contenders.search(run, with_curve=True, strategy=run.contender)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out what is missing; errors by data set and strategy."""
    names = (REFERENCE, *(name for name in STRATEGIES if name != REFERENCE), *RIVALS)
    if options.quick:
        vars(options).update(QUICK)
        names = QUICK_CONTENDERS
    runs = experiment.paired(names, options, DATASETS)
    found = experiment.records_of(runs, "benchmarks.strategies", options)
    return comparison.report(found, REFERENCE, options, "Strategies on trained networks")


def main() -> None:
    """Measure and print."""
    reporting.run(measure, experiment.parser(__doc__, seconds=300.0, seeds=5).parse_args())


if __name__ == "__main__":
    main()
