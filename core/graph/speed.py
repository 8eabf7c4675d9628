"""The predicted training speed: seconds of training for one example.

The loads of an architecture, for one example, are
    operations of convolutions and dense layers
    operations of depthwise convolutions
    values moved: outputs written and read again
    layers
    parameters, which the optimiser moves with every step

`core.graph.timing` learns the seconds for a unit of each from the trials' reports. Layers and
parameters take time once per step, whatever the batch size; their share of an example's time is
learned for the one batch size that all trials of a search use.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph import timing
from core.graph.architecture import Architecture
from core.layers import DepthwiseConv1d, DepthwiseConv2d

#: Seconds per unit before any measurement: one CPU thread with bfloat16, batches of 64;
#: `docs/results/speed.md` has the figures.
PRIOR = (1.2e-11, 5e-11, 1.8e-9, 3e-6, 1e-11)
SLOWNESSES = (1e-6, 1e6)  # that can be believed, least and most


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """The seconds for one unit of each load."""

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


PRIOR_SPEED = TrainingSpeed(*PRIOR)


def slowness(architecture: Architecture, samples_per_second: float) -> float:
    """The measured seconds of training for an example, in those that the prior speed predicts.

    Within `SLOWNESSES`, as a report may have any positive number.
    """
    least, most = SLOWNESSES
    speed = samples_per_second * PRIOR_SPEED.seconds(architecture)
    return 1 / min(max(speed, 1 / most), 1 / least)


def learn(measured: Sequence[tuple[Architecture, float]]) -> TrainingSpeed:
    """The speed of a worker from measured seconds for one example of each architecture.

    Few measurements mostly determine the overall speed; without any it is the prior speed.
    """
    if not measured:
        return PRIOR_SPEED
    architectures, seconds = zip(*measured, strict=True)
    loads = [_loads(architecture) for architecture in architectures]
    return TrainingSpeed(*timing.learn(loads, seconds, PRIOR))


def _loads(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """The loads in the order of `TrainingSpeed`."""
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
