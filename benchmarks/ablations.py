"""What each part of Netmorph is worth: searches with one part switched off.

`python -m benchmarks.ablations [--seconds 300] [--seeds 3] [--datasets NAME ...]`. Records are
appended to `--out`; runs that are there are not repeated.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import comparison, contenders, experiment, reporting
from benchmarks.records import Record, Run
from core.protocol.contracts import Training, TrainOrder

DATASETS = ("fashion-1000", "emoji", "mnist1d")
REFERENCE = "whole"
QUICK = {"datasets": ["digits"], "seconds": 10.0, "seeds": 1, "jobs": 2}
QUICK_CONTENDERS = (REFERENCE, "without-averaging")


@dataclass(frozen=True, slots=True)
class Ablation:
    """A part that is switched off: in every order, or in the configuration."""

    adjust: Callable[[TrainOrder], TrainOrder] = lambda order: order
    changes: dict[str, Any] = field(default_factory=dict)


def _without(**values: Any) -> Callable[[TrainOrder], TrainOrder]:
    """The order with other hyper-parameters."""

    def adjust(order: TrainOrder) -> TrainOrder:
        chosen = order.hyperparameters.model_copy(update=values)
        return order.model_copy(update={"hyperparameters": chosen})

    return adjust


def _from_scratch(order: TrainOrder) -> TrainOrder:
    """Every network begins with random weights, the exported one too."""
    return order.model_copy(update={"fresh": True})


ABLATIONS = {
    REFERENCE: Ablation(),
    "without-surrogate": Ablation(changes={"strategy": "random"}),
    "without-inheritance": Ablation(_from_scratch),
    "without-choices": Ablation(changes={"training": Training(alternatives=0)}),
    "without-halving": Ablation(_without(least_at_rung=None)),
    "without-annealing": Ablation(_without(decay=0.0)),
    "without-averaging": Ablation(_without(averaging=0.0)),
}


def carry_out(run: Run) -> Record:
    """One search."""
    ablation = ABLATIONS[run.contender]
    return contenders.search(run, adjust=ablation.adjust, with_curve=True, **ablation.changes)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out what is missing; errors by data set and ablation."""
    names = tuple(ABLATIONS)
    if options.quick:
        vars(options).update(QUICK)
        names = QUICK_CONTENDERS
    runs = experiment.paired(names, options, DATASETS)
    found = experiment.records_of(runs, "benchmarks.ablations", options)
    return comparison.report(found, REFERENCE, options, "Ablations")


def main() -> None:
    """Measure and print."""
    reporting.run(measure, experiment.parser(__doc__, seconds=300.0, seeds=3).parse_args())


if __name__ == "__main__":
    main()
