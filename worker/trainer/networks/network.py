"""A network: an architecture as a torch module, whose weights can be read and written."""

from collections import Counter

import torch
from torch import Tensor, nn

from core.graph.architecture import Architecture
from core.graph.weights import Weights, flatten
from core.layers import LAYERS
from worker.layers import MODULES
from worker.layers.dropout import DropoutModule
from worker.trainer.data.sources import tensor_of


class Network(nn.Module):
    """Computes an architecture's function, each layer once, in topological order.

    Parameters are named "layers.<node id>.<parameter>". A tensor is freed after its last reader.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.layers = nn.ModuleDict()
        for node in architecture.nodes:
            module = MODULES[LAYERS.kind_of(node.layer)]
            self.layers[str(node.id)] = module.of(node.layer, architecture.input_shapes(node))
        self.generator: torch.Generator | None = None  # of dropout
        self._plan = _plan(architecture)

    @property
    def networks(self) -> "tuple[Network, ...]":
        """The networks that are trained: itself."""
        return (self,)

    def forward(self, x: Tensor) -> Tensor:
        """(N, *input_shape) -> (N, outputs)"""
        values: dict[int, Tensor] = {}
        for node_id, sources, last_read in self._plan:
            inputs = [values[source] for source in sources] or [x]
            values[node_id] = self.layers[str(node_id)](*inputs)
            for source in last_read:
                del values[source]
        return values[self._plan[-1][0]]

    def seed(self, seed: int, device: torch.device) -> None:
        """Draw all randomness of the layers (dropout) from this seed."""
        self.generator = torch.Generator(device).manual_seed(seed)
        for layer in self.layers.values():
            if isinstance(layer, DropoutModule):
                layer.generator = self.generator

    @torch.no_grad()
    def read(self, weights: Weights) -> None:
        """Copy these weights into the network.

        Raises:
            ValueError: their names or shapes are not those of the architecture.
        """
        own, given = self._tensors(), flatten(weights)
        if own.keys() != given.keys():
            raise ValueError(f"weights for {sorted(given)}; expected {sorted(own)}")
        for name, tensor in own.items():
            if (shape := given[name].shape) != tensor.shape:
                raise ValueError(f"{name} has shape {shape}; expected {tuple(tensor.shape)}")
            tensor.copy_(tensor_of(given[name]))

    def weights(self) -> Weights:
        """The weights as numpy arrays, copied."""
        weights: Weights = {}
        for key, tensor in self._tensors().items():
            node_id, _, name = key.partition(".")
            array = tensor.detach().to("cpu", torch.float32).contiguous().numpy().copy()
            weights.setdefault(int(node_id), {})[name] = array
        return weights

    def _tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by "<node id>.<parameter>"."""
        named = [*self.layers.named_parameters(), *self.layers.named_buffers()]
        return dict(named)


def _plan(
    architecture: Architecture,
) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """(node, the nodes that it reads, those that no later node reads) in topological order."""
    unread = Counter(source for node in architecture.nodes for source in node.inputs)
    plan = []
    for node in architecture.nodes:
        unread.subtract(node.inputs)
        last_read = tuple(sorted({source for source in node.inputs if not unread[source]}))
        plan.append((node.id, node.inputs, last_read))
    return plan
