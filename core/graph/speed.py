"""How many seconds an architecture trains for each example, predicted from the trials' reports.

The loads of an architecture, for one example, are
    operations of convolutions and dense layers
    operations of depthwise convolutions
    values moved: outputs written and read again
    layers
    parameters, which the optimiser moves with every step

and `core.graph.timing` learns what each takes. Layers and parameters take their time once a step,
whatever the batch; their share of an example's time is learned for the batch size that the trials
of a search have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph import timing
from core.graph.architecture import Architecture
from core.layers import DepthwiseConv1d, DepthwiseConv2d

#: Before anything is measured: one thread of a CPU with bfloat16, batches of 64;
#: `docs/results/speed.md` has the figures.
ORDINARY = (1.2e-11, 5e-11, 1.8e-9, 3e-6, 1e-11)


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """The seconds that one unit of each load takes."""

    operation: float  # of convolutions and dense layers
    depthwise_operation: float
    value: float
    layer: float
    parameter: float

    def seconds(self, architecture: Architecture) -> float:
        """The predicted seconds of training for one example."""
        operations, depthwise, values, layers, parameters = _loads(architecture)
        return (
            self.operation * operations
            + self.depthwise_operation * depthwise
            + self.value * values
            + self.layer * layers
            + self.parameter * parameters
        )


ORDINARY_SPEED = TrainingSpeed(*ORDINARY)


def learn(measured: Sequence[tuple[Architecture, float]]) -> TrainingSpeed:
    """The speed of a worker that needed so many seconds for an example of each architecture.

    Of few measurements, the overall speed is learned first; without any, it is the prior's.
    """
    if not measured:
        return ORDINARY_SPEED
    seconds = [one for _, one in measured]
    return TrainingSpeed(*timing.learn([_loads(one) for one, _ in measured], seconds, ORDINARY))


def _loads(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """Those of `TrainingSpeed`, in its order."""
    depthwise = 0
    for node, cost in zip(architecture.nodes, architecture.costs, strict=True):
        if isinstance(node.layer, DepthwiseConv1d | DepthwiseConv2d):
            depthwise += cost.flops
    values = sum(cost.outputs for cost in architecture.costs)
    return (
        float(architecture.flops - depthwise),
        float(depthwise),
        float(values),
        float(len(architecture.costs)),
        float(architecture.parameters),
    )
