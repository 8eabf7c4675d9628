"""The cost of layers: parameters, operations, and memory while training."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from core.layers import AbstractLayer, Shape

#: Values held for each parameter while training: itself, its gradient, two moments of AdamW.
PARAMETER_COPIES = 4
_BYTES = 4  # of one float32
BACKWARD = 3  # cost of a training step, in forward passes


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The cost of one layer for one shape of input."""

    parameters: int  # trained by a gradient
    buffers: int  # running statistics
    flops: int  # of one example, forward; a multiply-add counts as two
    kept_values: int  # four-byte values of one example, kept for the backward pass
    outputs: int  # values of one example


def layer_cost(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> LayerCost:
    """The cost of the layer for inputs of these shapes (without the batch).

    Raises InvalidArchitecture if the inputs do not fit.
    """
    shapes = layer.parameter_shapes(inputs)
    return LayerCost(
        parameters=sum(prod(s) for name, s in shapes.items() if name not in layer.buffers),
        buffers=sum(prod(s) for name, s in shapes.items() if name in layer.buffers),
        flops=layer.flops(inputs),
        kept_values=layer.kept_values(inputs),
        outputs=prod(layer.output_shape(inputs)),
    )


def training_memory(costs: Sequence[LayerCost], batch_size: int) -> int:
    """Estimated bytes to train layers of these costs on batches of `batch_size` examples.

    Counts parameters with the optimiser's state, activations, and gradients: two gradients of
    activations exist at a time in the backward pass, each no larger than the largest output. The
    framework's own memory (context, workspaces, fragmentation) is not included.
    """
    fixed = sum(PARAMETER_COPIES * cost.parameters + cost.buffers for cost in costs)
    activations = sum(cost.kept_values for cost in costs) + 2 * max(cost.outputs for cost in costs)
    return _BYTES * (fixed + batch_size * activations)
