"""The optimisers that a training may use, Muon among them.

Notation
    G   the momentum of a kernel or matrix, flattened to (out, in * window)
    O   the nearest matrix to G whose singular values are all one: U Vᵀ of G = U S Vᵀ

A step of Muon goes along O instead of G (Jordan et al. 2024, "Muon: an optimizer for hidden layers
in neural networks"), so that directions that are rare in gradients are learned as well.
"""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, overload

import torch
from torch import Tensor, nn

from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.training import Optimiser
from worker.trainer.training.state import State

#: Of an odd polynomial that moves singular values from (0, 1] towards one (Jordan et al. 2024).
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
NEWTON_SCHULZ_STEPS = 4
#: Spectral norm of an update of a square matrix, in learning rates.
UPDATE_NORM = 2.0
_BETAS = (0.9, 0.99)
VECTOR_RATE = 1.0  # of biases, scales, embeddings: a multiple of that of kernels and matrices

Group = dict[str, Any]


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; for kernels and matrices only."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient."""
        if closure is not None:
            raise TypeError("Muon takes no closure: compute the loss before its step")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return None

    def _move(self, parameter: nn.Parameter, gradient: Tensor, group: Group) -> None:
        state, momentum = self.state[parameter], group["momentum"]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        mean = state["momentum"].lerp_(gradient, 1 - momentum)
        matrix = gradient.lerp(mean, momentum).flatten(1)
        scale = update_scale(*matrix.shape)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonalised(matrix).view_as(parameter), alpha=-group["lr"] * scale)


def update_scale(out: int, inputs: int) -> float:
    """The factor of an orthogonal update, in addition to the learning rate.

    Its spectral norm decides how much an output may change (Yang, Simon & Bernstein 2023,
    arXiv:2310.17813; the same form in Jordan et al. 2024). A scale that grows with the inputs
    (Liu et al. 2025, arXiv:2502.16982) trained wide dense layers too fast: see
    `docs/results/training.md`.
    """
    return UPDATE_NORM * sqrt(max(1.0, out / inputs))


def orthogonalised(matrix: Tensor, steps: int | None = None) -> Tensor:  # (m, n) -> (m, n)
    """Approximately the matrix with the same singular vectors and singular values of one.

    Newton-Schulz iterations leave singular values between about 0.7 and 1.2, which is good enough.
    Each multiplies by a polynomial of the Gram matrix; these factors are multiplied first, as
    kernels of many inputs have small Gram matrices.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalised(matrix.T, steps).T
    x = matrix / (matrix.norm() + 1e-7)
    gram = x @ x.T
    identity = torch.eye(len(x), dtype=x.dtype, device=x.device)
    product = factor = _factor(gram, identity)
    for _ in range(1, steps or NEWTON_SCHULZ_STEPS):
        gram = factor @ gram @ factor
        factor = _factor(gram, identity)
        product = factor @ product
    return torch.mm(product, x)


def _factor(gram: Tensor, identity: Tensor) -> Tensor:
    """The factor by which one iteration multiplies a matrix with this Gram matrix."""
    return torch.addmm(_LINEAR * identity + _CUBIC * gram, gram, gram, alpha=_QUINTIC)


def optimisers_of(network: nn.Module, h: Hyperparameters) -> tuple[torch.optim.Optimizer, ...]:
    """The optimisers that together move all parameters, each parameter by one of them.

    Weight decay applies to the weights of convolutions and dense layers, not to biases, scales and
    embeddings. An embedding is a table of vectors and no map, so Muon does not move it either.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    embedded = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for p in parameters if p.ndim > 1 and id(p) not in embedded]
    vectors: Group = {
        "params": [p for p in parameters if p.ndim <= 1 or id(p) in embedded],
        "weight_decay": 0.0,
        "rate_share": VECTOR_RATE,
    }
    if h.optimiser is Optimiser.MUON:
        muon = Muon(matrices, h.learning_rate, h.momentum, h.weight_decay)
        return (muon, _adamw([vectors], h)) if vectors["params"] else (muon,)
    groups = [{"params": matrices, "weight_decay": h.weight_decay}, vectors]
    if h.optimiser is Optimiser.SGD:
        return (
            torch.optim.SGD(
                groups, lr=h.learning_rate, momentum=h.momentum, nesterov=True, fused=True
            ),
        )
    return (_adamw(groups, h),)


def _adamw(groups: list[Group], h: Hyperparameters) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, lr=h.learning_rate, betas=_BETAS, fused=True)


def state_of(optimiser: torch.optim.Optimizer) -> State:
    """The optimiser's tensors, by the index of the parameter that they belong to."""
    state = optimiser.state_dict()["state"]
    return {
        str(index): {name: value for name, value in values.items() if isinstance(value, Tensor)}
        for index, values in state.items()
    }


def restore(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Give an optimiser of the same parameters the tensors that `state_of` has returned."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    restored = {
        int(index): {name: _like(parameters[int(index)], value) for name, value in values.items()}
        for index, values in state.items()
    }
    optimiser.load_state_dict(optimiser.state_dict() | {"state": restored})


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """The value in the parameter's memory layout, on which the rounding of products depends."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
