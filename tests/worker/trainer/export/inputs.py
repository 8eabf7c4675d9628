"""The inputs of an export in tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.data.trained_inputs import TrainedInputs


def inputs_of(
    x: NDArray[Any],
    normalisation: Normalisation | None = None,
    targets: TargetScale | None = None,
) -> TrainedInputs:
    """All of these examples as the training examples."""
    return TrainedInputs.of(x, np.arange(len(x)), normalisation or Normalisation.of(x), targets)
