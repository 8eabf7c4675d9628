"""Fresh weights of layers that sum."""

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np
from numpy.typing import DTypeLike

from core.layers.abstract import Array, Shape


def he_normal(
    shapes: Mapping[str, Shape], rng: np.random.Generator, dtype: DTypeLike
) -> dict[str, Array]:
    """A weight that keeps the variance behind a ReLU, and a bias of zeros where there is one.

    He et al. 2015, arXiv:1502.01852, eq. 10; every axis but the first is summed over.
    """
    scale = sqrt(2 / prod(shapes["weight"][1:]))
    weight = rng.standard_normal(shapes["weight"]) * scale
    biases = {name: np.zeros(shape, dtype) for name, shape in shapes.items() if name == "bias"}
    return {"weight": weight.astype(dtype), **biases}
