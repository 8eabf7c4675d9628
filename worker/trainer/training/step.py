"""One training step: the loss of a batch, its gradients, and the optimisers' moves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.tasks import AbstractLoss, loss_of
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.optimisers import optimisers_of, restore, state_of
from worker.trainer.training.state import State

Outputs = TypeVar("Outputs")  # of one network, or of several


class Mixing:
    """Blends each batch with a permutation of itself, and its targets in the same shares.

    Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization" (arXiv:1710.09412), with one
    share for all examples of a batch. Shares are drawn from Beta(α, α), and permutations, from a
    seed; nothing is mixed where α is 0.
    """

    def __init__(self, alpha: float, seed: int) -> None:
        self._alpha = alpha
        self.rng = np.random.default_rng([seed, 1])

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
        share = float(self.rng.beta(self._alpha, self._alpha))
        permutation = torch.from_numpy(self.rng.permutation(len(x))).to(x.device)
        outputs = network(share * x + (1 - share) * x[permutation])
        return share * loss_of(outputs, y) + (1 - share) * loss_of(outputs, y[permutation])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """Trains the networks on one batch.

    The networks of an ensemble learn from the same batches, each by its own loss: trained on the
    loss of their mean they were worse.
    """

    network: Network | Ensemble
    loss: AbstractLoss
    label_smoothing: float
    optimisers: tuple[torch.optim.Optimizer, ...]
    average: WeightAverage | None
    mixing: Mixing
    compute: Compute

    @classmethod
    def of(
        cls,
        network: Network | Ensemble,
        h: Hyperparameters,
        average: WeightAverage | None,
        *,
        task: str | AbstractLoss,
        seed: int,
        compute: Compute,
    ) -> Self:
        """The step of a training with these hyperparameters.

        The first optimiser of a process takes a second to make: call this before the clock starts.
        """
        return cls(
            network=network,
            loss=loss_of(task),
            label_smoothing=h.label_smoothing,
            optimisers=optimisers_of(network, h),
            average=average,
            mixing=Mixing(h.mixing, seed),
            compute=compute,
        )

    def __call__(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """The mean loss of the networks on the batch, before the step at this learning rate."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("rate_share", 1.0)
        with self.compute.autocast():
            loss = self.mixing.loss(self._outputs, self._loss, x, y)
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        if self.average:
            self.average.update()
        return loss.detach() / len(self.network.networks)

    def state(self) -> State:
        """The state from which `restore` continues."""
        state: State = {
            "network": dict(self.network.state_dict()),
            "optimisers": {str(k): state_of(one) for k, one in enumerate(self.optimisers)},
            "mixing": dict(self.mixing.rng.bit_generator.state),
            "dropout": {str(k): g.get_state() for k, g in enumerate(self._generators())},
        }
        return state | {"average": self.average.state()} if self.average else state

    def restore(self, state: State) -> None:
        """Continue from a state of the same training, without generators of another device."""
        self.network.load_state_dict(state["network"])
        for k, optimiser in enumerate(self.optimisers):
            restore(optimiser, state["optimisers"][str(k)])
        self.mixing.rng.bit_generator.state = state["mixing"]
        for k, generator in enumerate(self._generators()):
            if generator.get_state().shape == state["dropout"][str(k)].shape:
                generator.set_state(state["dropout"][str(k)])
        if self.average:
            self.average.restore(state["average"])

    def _generators(self) -> list[torch.Generator]:
        return [network.generator for network in self.network.networks if network.generator]

    def _outputs(self, x: Tensor) -> list[Tensor]:
        return [network(x) for network in self.network.networks]

    def _loss(self, outputs: list[Tensor], targets: Tensor) -> Tensor:
        """The sum of the networks' losses: so each has the gradient that it would have alone."""
        losses = [self.loss.training_loss(one, targets, self.label_smoothing) for one in outputs]
        return reduce(torch.add, losses)
