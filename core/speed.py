"""How many seconds an architecture trains for each example, predicted from the trials' reports.

Notation
    t      measured seconds of training for one example, of one architecture on one kind of worker
    x      loads of an architecture, for one example; shape (5,)
             operations of convolutions and dense layers
             operations of depthwise convolutions
             values moved: outputs written and read again
             layers
             parameters, which the optimiser moves with every step
    w      seconds for one unit of each load, none of them negative; shape (5,)
    w0     their values before anything is measured
    u      w / (s w0), where s is how much slower the worker is than w0 says

Minimises the sum of (x·w / t - 1)² plus λ |u - 1|² over u ≥ 0: errors are relative, as a
millisecond is little for one network and very much for another (non-negative least squares).

Layers and parameters take their time once a step, whatever the batch; their share of an example's
time is learned for the batch size that the trials of a search have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from core.architecture import Architecture
from core.layers import DepthwiseConv1d, DepthwiseConv2d

Floats = NDArray[np.float64]

#: w0: one thread of a CPU with bfloat16, batches of 64; `docs/results/speed.md` has the figures.
ORDINARY = (1.2e-11, 5e-11, 1.8e-9, 3e-6, 1e-11)
PRIOR_WEIGHT = 0.03  # λ


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """The seconds that one unit of each load takes; w."""

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
    t = np.array([seconds for _, seconds in measured])
    loads = np.array([_loads(architecture) for architecture, _ in measured])  # (n, 5)
    usual = loads * ORDINARY
    slowness = float(np.exp(np.median(np.log(t / usual.sum(axis=1)))))  # s
    rows = np.vstack([slowness * usual / t[:, None], PRIOR_WEIGHT**0.5 * np.eye(len(ORDINARY))])
    targets = np.append(np.ones(len(t)), np.full(len(ORDINARY), PRIOR_WEIGHT**0.5))
    shares, _ = nnls(rows, targets)  # u
    return TrainingSpeed(*(slowness * shares * ORDINARY).tolist())


def _loads(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """x"""
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
