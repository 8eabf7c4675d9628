"""Regression: mean squared error of standardised targets, R²."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from worker.tasks.loss import LOSSES, AbstractLoss

_LONGEST_NAME = 50  # characters of a target's name


@LOSSES.register("regression")
class RegressionLoss(AbstractLoss):
    """Outputs and targets are of shape (n, targets), in standard deviations of each target."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return mse_loss(outputs.float(), targets)  # there is no label to smooth

    def chance_loss(
        self, targets: NDArray[np.float32], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        """The mean variance of the targets: the loss of predicting the mean of each."""
        return float(targets.astype(np.float64).var(axis=0).mean())

    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        """The mean over the targets of R² = 1 - Σ (y - ŷ)² / Σ (y - mean y)².

        A target that does not vary among the examples counts as one of variance 1, which it has in
        training.
        """
        errors = (outputs.double() - targets.double()).square().mean(dim=0)
        variances = targets.double().var(dim=0, correction=0)
        return float((1 - errors / torch.where(variances > 0, variances, 1.0)).mean())

    def measures(
        self, outputs: Tensor, targets: Tensor, names: Sequence[str], scale: Sequence[float]
    ) -> dict[str, float]:
        """Root mean square and mean absolute error of each target, in the user's units."""
        errors = (outputs.double() - targets.double()).cpu() * torch.tensor(
            scale, dtype=torch.float64
        )
        rmse, mae = errors.square().mean(dim=0).sqrt(), errors.abs().mean(dim=0)
        found: dict[str, float] = {}
        for index, name in enumerate(names):
            of = "" if len(names) == 1 else f" {name}"[:_LONGEST_NAME]
            found |= {f"RMSE{of}": float(rmse[index]), f"MAE{of}": float(mae[index])}
        return found
