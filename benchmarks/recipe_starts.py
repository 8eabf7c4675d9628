"""Alternative initial weights: identity kernels, a whitening first convolution."""

import numpy as np

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import Array, Conv2d


def initial_weights(
    kind: str, architecture: Architecture, weights: Weights, images: Array
) -> Weights:
    """The weights with some kernels set; images have shape (N, C, H, W) and are normalised."""
    kernels = [node.id for node in architecture.nodes if isinstance(node.layer, Conv2d)]
    if kind == "identity":
        changed = {k: _identity(weights[k]["weight"]) for k in kernels}
    elif kind == "whitening":
        changed = {kernels[0]: _whitening(weights[kernels[0]]["weight"], images)}
    else:
        changed = {}
    return {
        key: each | {"weight": changed[key]} if key in changed else each
        for key, each in weights.items()
    }


def _identity(kernel: Array) -> Array:
    """A kernel whose first filters pass their channel on (Jordan 2024, arXiv:2404.00498, § 3.2)."""
    made = kernel.copy()
    count, middle = min(kernel.shape[:2]), kernel.shape[2] // 2
    made[:count] = 0
    made[np.arange(count), np.arange(count), middle, middle] = 1
    return made


def _whitening(kernel: Array, images: Array) -> Array:
    """Filters along the principal directions of the patches, with both signs and variance one."""
    size = kernel.shape[2]
    patches = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(2, 3))
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, kernel[0].size)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    filters = (vectors / np.sqrt(values + 1e-2)).T.reshape(-1, *kernel.shape[1:])
    both = np.concatenate([filters[::-1], -filters[::-1]])[: len(kernel)]
    made = kernel.copy()
    made[: len(both)] = both
    return made
