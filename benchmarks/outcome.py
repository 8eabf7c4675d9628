"""Compares the error of the exported network with networks that a person would design first.

`python -m benchmarks.outcome [--seconds 300] [--datasets NAME ...] [--seeds 3]`: for each data set
and seed a search with the defaults, the hand-made networks trained by the same trainer with the
same recipe for all of the same time, and a plain loop. The budget is in CPU seconds of one core.
Records are appended to `--out`; runs that have a record are not repeated.
"""

import argparse

from benchmarks import contenders, data_sets, experiment, outcome_report, reporting
from benchmarks.hand_made import hand_made
from benchmarks.records import Record, Run

DATASETS = (
    "digits",
    "fashion-mnist",
    "fashion-1000",
    "mnist-digits",
    "emoji",
    "mnist1d",
    "italy-power",
    "osu-leaf",
)


def carry_out(run: Run) -> Record:
    """Carry out one run."""
    return contenders.contender_of(run.contender)(run)


def runs(options: argparse.Namespace) -> list[Run]:
    """All runs, seed by seed, so that an interrupted experiment covers all data sets."""
    names = list(experiment.installed(options.datasets or DATASETS))
    return [
        Run(dataset=name, seed=seed, contender=contender, seconds=options.seconds)
        for seed in experiment.seeds(options)
        for name in names
        for contender in ("netmorph", *hand_made(data_sets.load(name)[1]), "plain")
    ]


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out the missing runs and return the errors by data set and the mean ratio."""
    experiment.shorten(options)
    records = experiment.records_of(runs(options), "benchmarks.outcome", options)
    summary = outcome_report.summary(records)
    if options.markdown:
        options.markdown.write_text(outcome_report.page(records, options.plot))
    if options.plot:
        from benchmarks import outcome_plot  # noqa: PLC0415 (needs matplotlib)

        outcome_plot.draw(summary, options.plot)
    return summary


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, experiment.parser(__doc__, seconds=300.0, seeds=3).parse_args())


if __name__ == "__main__":
    main()
