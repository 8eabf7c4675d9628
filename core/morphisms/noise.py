"""Optional noise on the weights that morphisms made or changed.

Chen, Goodfellow & Shlens 2016 (arXiv:1511.05641, section 2.2) need it to make copied channels
differ. Here new channels differ without noise, so it is off by default: it changes the function.
"""

import numpy as np

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import Array


def add_noise(
    architecture: Architecture,
    before: Weights,
    after: Weights,
    amount: float,  # ρ
    rng: np.random.Generator,
) -> Weights:
    """The weights with U(-ρ/2, ρ/2) × range added to each array that differs from `before`.

    The range of an array is its largest minus its smallest value: a constant array, for example of
    zeros, stays as it is. Running statistics also stay as they are.
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
