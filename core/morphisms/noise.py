"""Noise on what morphisms made or changed, for those who want it.

Chen, Goodfellow & Shlens 2016 (arXiv:1511.05641, section 2.2) part copies by it. Here new weights
part company without, so that it is left to choice: with it the function changes a little.
"""

import numpy as np

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import Array


def noisy(
    architecture: Architecture,
    before: Weights,
    after: Weights,
    amount: float,  # ρ
    rng: np.random.Generator,
) -> Weights:
    """The weights with U(-ρ/2, ρ/2) × range added to each array that is not as before.

    The range of an array is its largest value less its smallest, so that one without any
    difference, such as zeros, stays as it is; so do statistics, which no gradient trains.
    """
    moved: Weights = {}
    for node in architecture.nodes:
        if node.id in after:
            old = before.get(node.id, {})
            moved[node.id] = {
                name: array
                if name in node.layer.buffers or array is old.get(name)
                else _with_noise(array, amount, rng)
                for name, array in after[node.id].items()
            }
    return moved


def _with_noise(array: Array, amount: float, rng: np.random.Generator) -> Array:
    spread = float(np.ptp(array))
    noise = rng.uniform(-0.5, 0.5, array.shape) * (amount * spread)
    return array + noise.astype(array.dtype)
