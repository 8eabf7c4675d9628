"""Regression: mean squared error of standardised targets; R², RMSE and MAE."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from worker.tasks.estimate import Estimate
from worker.tasks.loss import LOSSES, AbstractEstimatingLoss

_LONGEST_NAME = 50  # characters of a target's name
_LEAST_ERROR = 1e-9  # in standard deviations: float32 knows no smaller one


@LOSSES.register("regression")
class RegressionLoss(AbstractEstimatingLoss):
    """Outputs and targets are of shape (n, targets), in standard deviations of each target."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return mse_loss(outputs.float(), targets)  # there is no label to smooth

    def chance_loss(
        self, targets: NDArray[np.float32], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        """The mean variance of the targets: the loss of predicting the mean of each."""
        return float(targets.astype(np.float64).var(axis=0).mean())

    def estimate(self, outputs: Tensor, targets: Tensor) -> Estimate:
        if self.task.chosen.kind == "r2":
            value = _r_squared(outputs, targets)
            return Estimate(value, self.task.value_std(value, len(targets)))
        errors = (outputs.double() - targets.double()).abs().cpu().numpy()
        found = _rmse(errors) if self.task.chosen.kind == "rmse" else _mae(errors)
        unit = self._unit
        return Estimate(unit * found.value, unit * found.std)

    @property
    def _unit(self) -> float:
        """The unit of errors: the user's for one target.

        Several targets may have several units: their errors are in standard deviations.
        """
        return self.scale[0] if len(self.scale) == 1 else 1.0

    def other_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The other metrics; for several targets without errors: `measures` has those of each."""
        found = super().other_metrics(outputs, targets)
        return found if len(self.names) < 2 else {k: v for k, v in found.items() if k == "R²"}

    def measures(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Root mean square and mean absolute error of each target, in the user's units."""
        errors = (outputs.double() - targets.double()).cpu() * torch.tensor(
            self.scale, dtype=torch.float64
        )
        rmse, mae = errors.square().mean(dim=0).sqrt(), errors.abs().mean(dim=0)
        found: dict[str, float] = {}
        for index, name in enumerate(self.names):
            of = "" if len(self.names) == 1 else f" {name}"[:_LONGEST_NAME]
            found |= {f"RMSE{of}": float(rmse[index]), f"MAE{of}": float(mae[index])}
        return {name: value for name, value in found.items() if name != self.task.metric}


def _r_squared(outputs: Tensor, targets: Tensor) -> float:
    """The mean over the targets of R² = 1 - Σ (y - ŷ)² / Σ (y - mean y)².

    A target that does not vary among the examples counts as one of variance 1, which it has in
    training.
    """
    errors = (outputs.double() - targets.double()).square().mean(dim=0)
    variances = targets.double().var(dim=0, correction=0)
    return float((1 - errors / torch.where(variances > 0, variances, 1.0)).mean())


def _rmse(errors: NDArray[np.float64]) -> Estimate:
    """The mean over the targets of the root mean square error: (n, targets), absolute.

    In the standard error one example more is off by twice the largest error.
    """
    roots = np.sqrt((errors**2).mean(axis=0))
    influence = ((errors**2 - roots**2) / (2 * np.maximum(roots, _LEAST_ERROR))).mean(axis=1)
    return Estimate.of(float(roots.mean()), influence, _one_wrong(errors))


def _mae(errors: NDArray[np.float64]) -> Estimate:
    """The mean over the targets of the mean absolute error: (n, targets), absolute."""
    means = errors.mean(axis=1)
    return Estimate.of(float(means.mean()), means - means.mean(), _one_wrong(errors))


def _one_wrong(errors: NDArray[np.float64]) -> float:
    """What an example that is off by twice the largest error would add to the mean error."""
    return max(2 * float(errors.max()), _LEAST_ERROR) / len(errors)
