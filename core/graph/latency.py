"""The predicted latency: seconds of the forward pass of one example.

The loads of an architecture are a constant one, its layers, its layers with weights, its
operations, and the values it moves. `core.graph.timing` learns the seconds for a unit of each from
measured trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph import timing
from core.graph.architecture import Architecture

#: Seconds per unit before any measurement: one CPU thread; `docs/log.md` has the measurement.
PRIOR = (5e-6, 2e-6, 1.6e-5, 2.5e-11, 2e-11)


@dataclass(frozen=True, slots=True)
class Speed:
    """The seconds for one unit of each load."""

    example: float
    layer: float
    weighted_layer: float  # in addition to `layer`
    operation: float
    value: float

    def latency(self, architecture: Architecture) -> float:
        """The predicted seconds for one example."""
        constant, layers, weighted, operations, values = _loads(architecture)
        return (
            self.example * constant
            + self.layer * layers
            + self.weighted_layer * weighted
            + self.operation * operations
            + self.value * values
        )


PRIOR_SPEED = Speed(*PRIOR)


def learn(measured: Sequence[tuple[Architecture, float]]) -> Speed:
    """The speed of a device from measured seconds for one example of each architecture.

    Without measurements it is the prior speed.
    """
    if not measured:
        return PRIOR_SPEED
    architectures, seconds = zip(*measured, strict=True)
    loads = [_loads(architecture) for architecture in architectures]
    return Speed(*timing.learn(loads, seconds, PRIOR))


def _loads(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """The loads in the order of `Speed`; values moved are weights read and outputs written."""
    costs = architecture.costs
    weighted = sum(cost.parameters > 0 for cost in costs)
    moved = sum(cost.parameters + cost.buffers + cost.outputs for cost in costs)
    return 1.0, float(len(costs)), float(weighted), float(architecture.flops), float(moved)
