"""Several networks that are trained side by side and predict together."""

import torch
from torch import Tensor, nn

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.search.ensembles import joined, joined_weights
from worker.trainer.networks.network import Network


class Ensemble(nn.Module):
    """Predicts the mean of its networks' outputs; each network is trained as if it were alone."""

    def __init__(self, networks: list[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(networks)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that are trained."""
        return tuple(self.members)  # type: ignore[arg-type]

    @property
    def architecture(self) -> Architecture:
        """The joint architecture of its networks."""
        return joined([network.architecture for network in self.networks])

    def forward(self, x: Tensor) -> Tensor:
        """(N, *input_shape) -> (N, outputs)"""
        return torch.stack([network(x) for network in self.networks]).mean(dim=0)

    def seed(self, seed: int, device: torch.device) -> None:
        """Draw all randomness of the layers (dropout) from this seed."""
        for network in self.networks:
            network.seed(seed, device)

    def weights(self) -> Weights:
        """The weights of `architecture` as numpy arrays, copied."""
        networks = self.networks
        return joined_weights(
            [network.architecture for network in networks],
            [network.weights() for network in networks],
        )
