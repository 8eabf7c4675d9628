"""The metric and loss of a network on examples that it is not trained on."""

from dataclasses import dataclass, field, fields
from typing import Self

import torch
from torch import Tensor, nn

from worker.tasks import AbstractLoss, loss_of
from worker.trainer.data.examples import Examples
from worker.trainer.networks.compute import Compute
from worker.trainer.training.checks import check_finite
from worker.trainer.training.state import State

#: Examples that are evaluated at once: on a CPU few, whose values stay in its cache.
CPU_BATCH, GPU_BATCH = 128, 512


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The mean metric and loss over some examples, and what they were computed from."""

    metric: float
    loss: float
    examples: int
    outputs: Tensor = field(compare=False, repr=False)  # of all examples, (examples, outputs)
    targets: Tensor = field(compare=False, repr=False)

    def state(self) -> State:
        """The state of which `of_state` makes an equal evaluation."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_state(cls, state: State, device: torch.device) -> Self:
        """The evaluation of a state."""
        tensors = {name: state[name].to(device) for name in ("outputs", "targets")}
        return cls(**state | tensors)

    def std(self, task: str | AbstractLoss) -> float:
        """The standard error of the metric."""
        return loss_of(task).metric_std(self.outputs, self.targets)

    def measures(self, task: str | AbstractLoss) -> dict[str, float]:
        """Further measures for people, in the units of the targets."""
        return loss_of(task).measures(self.outputs, self.targets)

    def all_measures(self, task: str | AbstractLoss) -> dict[str, float]:
        """The other metrics of the task type, and its further measures."""
        loss = loss_of(task)
        found = loss.other_metrics(self.outputs, self.targets)
        return found | loss.measures(self.outputs, self.targets)

    def calibrated_loss(self, task: str | AbstractLoss) -> float:
        """The loss by which networks are compared: see `worker.tasks`. Slow: tries temperatures."""
        return float(loss_of(task).calibrated_loss(self.outputs, self.targets))


@torch.inference_mode()
def evaluate(
    network: nn.Module, examples: Examples, task: str | AbstractLoss, compute: Compute
) -> Evaluation:
    """Evaluate the network, in evaluation mode, on all examples.

    Raises:
        InfeasibleTrial: the loss is not finite.
    """
    measured = loss_of(task)
    network.eval()
    loss = torch.zeros((), device=compute.device)
    n, start = len(examples), 0
    found, targets = torch.empty(0), []
    for x, y in examples.batches(CPU_BATCH if compute.device.type == "cpu" else GPU_BATCH):
        with compute.autocast():
            outputs = network(x)
        if not start:
            # Outputs that are kept one by one lie between the batches in memory: the room of each
            # batch is then not used again, and all batches together take as much as the data.
            found = outputs.new_empty((n, *outputs.shape[1:]))
        found[start : (start := start + len(y))] = outputs
        loss += measured.loss(outputs, y) * len(y)
        targets.append(y)
    check_finite(loss)
    expected = torch.cat(targets)
    return Evaluation(measured.metric(found, expected), float(loss) / n, n, found, expected)
