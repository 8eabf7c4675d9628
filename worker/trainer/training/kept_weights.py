"""The weights that a network has after its training: the best ones, or the last."""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from core.tasks import AbstractTask
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.evaluation import Evaluation
from worker.trainer.training.state import State


@dataclass(slots=True, kw_only=True)
class KeptWeights:
    """Keeps the weights of the best epoch; without validation, or on demand, of the last one."""

    network: Network | Ensemble
    average: WeightAverage | None
    task: AbstractTask
    keep_last: bool
    evaluation: Evaluation | None = None  # of the kept weights
    epoch: int = 0  # in which they were reached
    _best: dict[str, Any] | None = None  # None: the last weights

    def consider(self, evaluation: Evaluation | None, epoch: int) -> None:
        """Keep the present weights where they are the best so far, or the last are kept."""
        is_last = evaluation is None or self.keep_last
        if is_last or self._is_better(evaluation):
            self.evaluation, self.epoch = evaluation, epoch
            self._best = None if is_last else copy.deepcopy(self.network.state_dict())

    def restore(self) -> None:
        """Give the kept weights to the network."""
        if self._best is not None:
            self.network.load_state_dict(self._best)
        elif self.average:
            self.average.write()

    def state(self) -> State:
        """What `restore_state` needs to go on from here."""
        state: State = {"epoch": self.epoch}
        if self.evaluation is not None:
            state["evaluation"] = self.evaluation.state()
        return state if self._best is None else state | {"best": self._best}

    def restore_state(self, state: State, device: torch.device) -> None:
        """Go on from a state."""
        self.epoch = state["epoch"]
        self.evaluation = None
        if "evaluation" in state:
            self.evaluation = Evaluation.of_state(state["evaluation"], device)
        self._best = state.get("best")

    def _is_better(self, evaluation: Evaluation | None) -> bool:
        """A better metric, or an equal metric with a lower loss."""
        if evaluation is None or self.evaluation is None:
            return evaluation is not None
        return self._rank(evaluation) > self._rank(self.evaluation)

    def _rank(self, evaluation: Evaluation) -> tuple[float, float]:
        return self.task.objective(evaluation.metric), -evaluation.loss
