"""Regression: one or several numbers for each example, measured by R²."""

import math
from typing import ClassVar

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks.metric import LARGEST, Metric
from core.tasks.task import TASKS, AbstractTask

_LEAST_CORRELATION = 0.5  # in the standard error: no prediction is exactly the mean
_ERROR_RANGE = (-LARGEST, 0.0)


@TASKS.register("regression")
class Regression(AbstractTask):
    """The network's outputs are standardised numbers, one for each target."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        #: R² has no least value. Below zero a network is of no use: how far says nothing more.
        Metric(kind="r2", name="R²", value_range=(-1.0, 1.0), in_percent=False),
        Metric(
            kind="rmse",
            name="RMSE",
            larger_is_better=False,
            value_range=_ERROR_RANGE,
            in_percent=False,
        ),
        Metric(
            kind="mae",
            name="MAE",
            larger_is_better=False,
            value_range=_ERROR_RANGE,
            in_percent=False,
        ),
    )
    predicts_classes: ClassVar[bool] = False

    def outputs(self, spec: DatasetSpec) -> int:
        return len(spec.target_names)

    def value_std(self, value: float, examples: int) -> float:
        """The standard error 2 ρ (1 - ρ²) / sqrt(n) of R² = ρ² (Olkin & Finn 1995, eq. 2).

        One example that is predicted by the mean is added, so that it is above zero even where all
        predictions are exact.
        """
        error = ((1 - value) * examples + 1) / (examples + 1)
        correlation = math.sqrt(max(1 - error, _LEAST_CORRELATION**2))
        return 2 * correlation * error / math.sqrt(examples)
