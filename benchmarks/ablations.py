"""Measures the contribution of each part of Netmorph: searches with one part switched off.

`python -m benchmarks.ablations [--seconds 300] [--seeds 3] [--datasets NAME ...]`. Records are
appended to `--out`; runs that have a record are not repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import contenders
from benchmarks.comparison import Comparison
from benchmarks.records import Record, Run
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.contracts.training import Training

REFERENCE = "whole"  # nothing switched off


@dataclass(frozen=True, slots=True)
class Ablation:
    """A part that is switched off, in every order or in the configuration."""

    adjust: Callable[[TrainOrder], TrainOrder] = lambda order: order
    changes: dict[str, Any] = field(default_factory=dict)


def _with_hyperparameters(**values: Any) -> Callable[[TrainOrder], TrainOrder]:
    """A function that replaces some hyper-parameters of an order."""

    def adjust(order: TrainOrder) -> TrainOrder:
        hyperparameters = order.hyperparameters.model_copy(update=values)
        return order.model_copy(update={"hyperparameters": hyperparameters})

    return adjust


def _from_scratch(order: TrainOrder) -> TrainOrder:
    """The order with random initial weights, for the exported network too."""
    return order.model_copy(update={"fresh": True})


ABLATIONS = {
    REFERENCE: Ablation(),
    "without-surrogate": Ablation(changes={"strategy": "random"}),
    "without-inheritance": Ablation(_from_scratch),
    "without-choices": Ablation(changes={"training": Training(alternatives=0)}),
    "without-halving": Ablation(_with_hyperparameters(least_at_rung=None)),
    "without-annealing": Ablation(_with_hyperparameters(decay=0.0)),
    "without-averaging": Ablation(_with_hyperparameters(averaging=0.0)),
}
COMPARISON = Comparison(
    module="benchmarks.ablations",
    title="Ablations",
    reference=REFERENCE,
    contenders=tuple(ABLATIONS),
    quick_contenders=(REFERENCE, "without-averaging"),
)


def carry_out(run: Run) -> Record:
    """Carry out one search."""
    ablation = ABLATIONS[run.contender]
    return contenders.search(run, adjust=ablation.adjust, with_curve=True, **ablation.changes)


if __name__ == "__main__":
    COMPARISON.main(__doc__, seeds=3)
