"""What an architecture costs: parameters, operations, memory in training."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from core.layers import AbstractLayer, Shape

#: Copies of every parameter while training: itself, its gradient, two moments of AdamW.
PARAMETER_COPIES = 4
_BYTES = 4  # of one float32


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The cost of one layer for one shape of input."""

    parameters: int  # that a gradient trains
    buffers: int  # running statistics
    flops: int  # of one example, forward; a multiply-add counts as two
    kept: int  # four-byte values of one example kept for the backward pass
    outputs: int  # values of one example's output


def layer_cost(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> LayerCost:
    """The cost of the layer on inputs of these shapes."""
    shapes = layer.parameter_shapes(inputs)
    return LayerCost(
        parameters=sum(prod(s) for name, s in shapes.items() if name not in layer.buffers),
        buffers=sum(prod(s) for name, s in shapes.items() if name in layer.buffers),
        flops=layer.flops(inputs),
        kept=layer.kept_values(inputs),
        outputs=prod(layer.output_shape(inputs)),
    )


def training_memory(costs: Sequence[LayerCost], batch_size: int) -> int:
    """Bytes to train an architecture with layers of these costs, for one batch.

    Parameters with the optimiser's state, activations, gradients.
    Two gradients of activations live at a time in the backward pass, each at most the largest
    output. A framework's own needs (context, workspaces, fragmentation) come on top.
    """
    fixed = sum(PARAMETER_COPIES * cost.parameters + cost.buffers for cost in costs)
    activations = sum(cost.kept for cost in costs) + 2 * max(cost.outputs for cost in costs)
    return _BYTES * (fixed + batch_size * activations)
