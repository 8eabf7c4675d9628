"""What a network reaches that has learned nothing about its inputs."""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray


def chance_loss(class_counts: Sequence[int] | NDArray[Any], label_smoothing: float = 0.0) -> float:
    """The least mean cross-entropy, in nats, of outputs that are the same for every example.

    `class_counts` are the numbers of examples of each class, or their weights, (classes,). The
    outputs are the class frequencies; with label smoothing ε (Szegedy et al. 2016,
    arXiv:1512.00567) they are smoothed as the labels are, (1 - ε) p + ε / classes.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    if not counts.size or counts.min() < 0 or not counts.sum():
        raise ValueError(f"the classes have {counts.tolist()} examples; expected at least one")
    frequencies = counts / counts.sum()
    smoothed = (1 - label_smoothing) * frequencies + label_smoothing / counts.size
    return float(sum(-p * log(p) for p in smoothed.tolist() if p > 0))
