"""A network: an architecture as a torch module, and its weights to and fro."""

from collections import Counter

import torch
from torch import Tensor, nn

from core.graph.architecture import Architecture
from core.graph.weights import Weights, flatten
from core.layers import LAYERS
from worker.data import tensor_of
from worker.layers import MODULES
from worker.layers.dropout import DropoutModule


class Network(nn.Module):
    """Computes an architecture's function, each layer once, in topological order.

    Parameters are named "layers.<node id>.<parameter>". A tensor is dropped behind its last reader.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.layers = nn.ModuleDict()
        for node in architecture.nodes:
            module = MODULES[LAYERS.kind_of(node.layer)]
            self.layers[str(node.id)] = module.of(node.layer, architecture.input_shapes(node))
        self._plan = _plan(architecture)

    @property
    def networks(self) -> "tuple[Network, ...]":
        """The networks that are trained: itself."""
        return (self,)

    def forward(self, x: Tensor) -> Tensor:
        """(N, *input_shape) -> logits (N, classes)"""
        values: dict[int, Tensor] = {}
        for node_id, sources, unread in self._plan:
            inputs = [values[source] for source in sources] or [x]
            values[node_id] = self.layers[str(node_id)](*inputs)
            for source in unread:
                del values[source]
        return values[self._plan[-1][0]]

    def seed(self, seed: int, device: torch.device) -> None:
        """Let all randomness of the layers (dropout) come from this seed."""
        generator = torch.Generator(device).manual_seed(seed)
        for layer in self.layers.values():
            if isinstance(layer, DropoutModule):
                layer.generator = generator

    @torch.no_grad()
    def read(self, weights: Weights) -> None:
        """Take over the weights; their names and shapes must be the architecture's."""
        mine = self._tensors()
        theirs = flatten(weights)
        if mine.keys() != theirs.keys():
            raise ValueError(f"weights for {sorted(theirs)}; expected {sorted(mine)}")
        for name, tensor in mine.items():
            if (shape := theirs[name].shape) != tensor.shape:
                raise ValueError(f"{name} has shape {shape}; expected {tuple(tensor.shape)}")
            tensor.copy_(tensor_of(theirs[name]))

    def weights(self) -> Weights:
        """The weights as numpy arrays, copied."""
        found: Weights = {}
        for key, tensor in self._tensors().items():
            node_id, _, name = key.partition(".")
            array = tensor.detach().to("cpu", torch.float32).contiguous().numpy().copy()
            found.setdefault(int(node_id), {})[name] = array
        return found

    def _tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by "<node id>.<parameter>"."""
        named = [*self.layers.named_parameters(), *self.layers.named_buffers()]
        return dict(named)


def _plan(
    architecture: Architecture,
) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """(node, what it reads, what nobody reads after it) in topological order."""
    unread = Counter(source for node in architecture.nodes for source in node.inputs)
    plan = []
    for node in architecture.nodes:
        unread.subtract(node.inputs)
        done = tuple(sorted({source for source in node.inputs if not unread[source]}))
        plan.append((node.id, node.inputs, done))
    return plan
