"""What one example's forward pass takes in seconds, predicted from what trials took.

The loads of an architecture are one, its layers, its layers with weights, its operations and the
values it moves; `core.graph.timing` learns what each takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph import timing
from core.graph.architecture import Architecture

#: Before anything is measured: one thread of a CPU; `docs/log.md` has the measurement.
ORDINARY = (5e-6, 2e-6, 1.6e-5, 2.5e-11, 2e-11)


@dataclass(frozen=True, slots=True)
class Speed:
    """The seconds that one unit of each load takes."""

    example: float
    layer: float
    weighted_layer: float  # on top
    operation: float
    value: float

    def latency(self, architecture: Architecture) -> float:
        """The predicted seconds for one example."""
        one, layers, weighted, operations, values = _load(architecture)
        return (
            self.example * one
            + self.layer * layers
            + self.weighted_layer * weighted
            + self.operation * operations
            + self.value * values
        )


ORDINARY_SPEED = Speed(*ORDINARY)


def learn(measured: Sequence[tuple[Architecture, float]]) -> Speed:
    """The speed of the device on which networks took so many seconds; the prior's without any."""
    if not measured:
        return ORDINARY_SPEED
    seconds = [one for _, one in measured]
    return Speed(*timing.learn([_load(one) for one, _ in measured], seconds, ORDINARY))


def _load(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """Those of `Speed`, in its order: weights are read and outputs written, each once."""
    costs = architecture.costs
    weighted = sum(cost.parameters > 0 for cost in costs)
    moved = sum(cost.parameters + cost.buffers + cost.outputs for cost in costs)
    return 1.0, float(len(costs)), float(weighted), float(architecture.flops), float(moved)
