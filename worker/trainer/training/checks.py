"""Ends a training that cannot succeed: its loss diverges, it learns nothing, memory runs out."""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import InfeasibleTrial, OutOfMemory
from worker.trainer.training.state import State

LEARNS_BY = 0.1  # share of a training after which it must have learned something
LEAST_STEPS = 50  # fewer steps prove nothing


def check_finite(loss: Tensor) -> None:
    """Raise InfeasibleTrial unless the loss is a finite number."""
    if not math.isfinite(float(loss)):
        raise InfeasibleTrial(f"the loss is {float(loss)}: the training has diverged")


@torch.no_grad()
def check_finite_weights(network: nn.Module) -> None:
    """Raise InfeasibleTrial unless all parameters and statistics are finite numbers.

    The loss may be finite all the same: batch normalisation does not use the running variance while
    it trains, and divides by it afterwards.
    """
    named = network.state_dict()
    if not named:
        return
    finite = torch.stack([tensor.isfinite().all() for tensor in named.values()]).tolist()
    wrong = [name for name, is_finite in zip(named, finite, strict=True) if not is_finite]
    if wrong:
        raise InfeasibleTrial(
            f"{wrong[0]} has NaN or infinite values ({len(wrong)} of {len(finite)} arrays have): "
            "the training has diverged"
        )


@contextmanager
def memory_errors_as_infeasible() -> Iterator[None]:
    """Raises OutOfMemory where memory runs out: a fact about the architecture and the device."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"out of memory: {_first_line(error)}") from None
    except OSError as error:
        if error.errno != errno.ENOMEM:  # as of a file that cannot be mapped
            raise
        raise OutOfMemory(f"out of memory: {_first_line(error)}") from None
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's message on the CPU
            raise
        raise OutOfMemory(f"out of memory: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@dataclass(slots=True)
class LearningCheck:
    """Compares the loss of a training, after a tenth of it, with that of chance.

    The mean over the later half of that tenth decides.
    """

    chance: float | None  # loss of the best constant prediction; None: no check
    _total: Tensor | None = None
    _counted: int = 0
    _is_done: bool = False

    def add(self, steps: int, progress: float, loss: Tensor) -> None:
        """Add the loss of one more step; raises InfeasibleTrial when nothing was learned."""
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
                f"the best constant prediction has {self.chance:.3f}"
            )

    def state(self) -> State:
        """The state from which `restore` continues."""
        total = {} if self._total is None else {"total": self._total}
        return {"counted": self._counted, "is_done": self._is_done} | total

    def restore(self, state: State, device: torch.device) -> None:
        """Continue from a state."""
        self._counted, self._is_done = state["counted"], state["is_done"]
        self._total = state["total"].to(device) if "total" in state else None
