"""Whether a training learns at all: its loss after a tenth of it, beside that of chance."""

from dataclasses import dataclass

from torch import Tensor

from core.errors import InfeasibleTrial

LEARNS_BY = 0.1  # share of a training after which it must have learned something
LEAST_STEPS = 50  # fewer steps say nothing


@dataclass(slots=True)
class LearningCheck:
    """Looks at the losses of steps; the mean of the later half of the first tenth decides."""

    chance: float | None  # loss of predicting the frequencies of the classes; None: no check
    _total: Tensor | None = None
    _counted: int = 0
    _is_done: bool = False

    def look(self, steps: int, progress: float, loss: Tensor) -> None:
        """Count in one more step's loss; raises InfeasibleTrial when nothing was learned."""
        if self.chance is None or self._is_done or progress < LEARNS_BY / 2:
            return
        self._total = loss.clone() if self._total is None else self._total + loss
        self._counted += 1
        if progress < LEARNS_BY or steps < LEAST_STEPS:
            return
        self._is_done = True
        mean = float(self._total) / self._counted
        if mean >= self.chance:
            raise InfeasibleTrial(
                f"the training does not learn: its loss is {mean:.3f} after {steps} steps; "
                f"always predicting the frequencies of the classes has {self.chance:.3f}"
            )
