"""Mixed examples: each batch is blended with a permutation of itself, and so are its targets.

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization" (arXiv:1710.09412), with one share
for all examples of a batch.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Outputs = TypeVar("Outputs")  # of one network, or of several


class Mixing:
    """Draws shares from Beta(α, α), and permutations, from a seed; mixes nothing where α is 0."""

    def __init__(self, alpha: float, seed: int) -> None:
        self._alpha = alpha
        self._rng = np.random.default_rng([seed, 1])

    def loss(
        self,
        network: Callable[[Tensor], Outputs],
        loss_of: Callable[[Outputs, Tensor], Tensor],  # outputs, targets -> scalar
        x: Tensor,
        y: Tensor,
    ) -> Tensor:
        """The loss of a batch of mixed examples, or of the batch itself without mixing."""
        if not self._alpha:
            return loss_of(network(x), y)
        share = float(self._rng.beta(self._alpha, self._alpha))
        permutation = torch.from_numpy(self._rng.permutation(len(x))).to(x.device)
        outputs = network(share * x + (1 - share) * x[permutation])
        return share * loss_of(outputs, y) + (1 - share) * loss_of(outputs, y[permutation])
