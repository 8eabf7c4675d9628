"""What one example's forward pass takes in seconds, predicted from what trials took.

Notation
    t      measured latency of a network, in seconds
    x      what takes time: one, layers, layers with weights, operations, values moved
    w      seconds that each of these takes, none of them negative
    w0     what they take before anything is measured
    u      w / (s w0), where s is how much slower the device is than w0 says

The fit is by relative errors, as a millisecond is little for one network and all for another:
the sum of (x·w / t - 1)² plus λ (u - 1)², the prior's word, is least (non-negative least squares).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from core.architecture import Architecture

Floats = NDArray[np.float64]

#: w0: one thread of a CPU; `docs/log.md` has the measurement.
ORDINARY = (5e-6, 2e-6, 1.6e-5, 2.5e-11, 2e-11)
PRIOR_WEIGHT = 0.03  # λ: networks are some 0.2 off the fit, the prior by 1


@dataclass(frozen=True, slots=True)
class Speed:
    """The seconds that each of what takes time takes; w."""

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
    t = np.array([seconds for _, seconds in measured])
    loads = np.array([_load(architecture) for architecture, _ in measured])  # (n, 5)
    usual = loads * ORDINARY
    slowness = float(np.exp(np.median(np.log(t / usual.sum(axis=1)))))  # s
    rows = np.vstack([slowness * usual / t[:, None], PRIOR_WEIGHT**0.5 * np.eye(len(ORDINARY))])
    wanted = np.append(np.ones(len(t)), np.full(len(ORDINARY), PRIOR_WEIGHT**0.5))
    shares, _ = nnls(rows, wanted)  # u
    return Speed(*(slowness * shares * ORDINARY).tolist())


def _load(architecture: Architecture) -> tuple[float, float, float, float, float]:
    """x: weights are read and outputs written, each once."""
    costs = architecture.costs
    weighted = sum(cost.parameters > 0 for cost in costs)
    moved = sum(cost.parameters + cost.buffers + cost.outputs for cost in costs)
    return 1.0, float(len(costs)), float(weighted), float(architecture.flops), float(moved)
