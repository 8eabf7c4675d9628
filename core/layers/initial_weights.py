"""Initial weights of convolutions and dense layers."""

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np
from numpy.typing import DTypeLike

from core.layers.abstract import Array, Shape


def he_normal(
    shapes: Mapping[str, Shape], rng: np.random.Generator, dtype: DTypeLike
) -> dict[str, Array]:
    """A normal weight with variance 2 / fan-in, and a bias of zeros if `shapes` has one.

    With ReLU it keeps the variance of the values (He et al. 2015, arXiv:1502.01852, eq. 10). The
    weight has shape (produced, consumed, *window); the fan-in is the product of all but the first.
    """
    scale = sqrt(2 / prod(shapes["weight"][1:]))
    weight = rng.standard_normal(shapes["weight"]) * scale
    biases = {name: np.zeros(shape, dtype) for name, shape in shapes.items() if name == "bias"}
    return {"weight": weight.astype(dtype), **biases}
