"""Single precision on a CPU for layers that are slow in bfloat16 there."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_float32_on_cpu(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The layer's output; under autocast on a CPU it is computed in float32 and rounded.

    So a training step of a MobileNet-like root takes 0.6 to 0.8 of the time (measured:
    `docs/results/speed.md`).
    """
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return layer(x)
    with torch.autocast("cpu", enabled=False):
        return layer(x.float()).to(torch.get_autocast_dtype("cpu"))
