"""How an operation that cannot be taken is refused: its node, the reason, what can be taken."""

from collections.abc import Mapping

from netmorph.errors import UnsupportedOperation
from netmorph.importing.operations import Operation

_NEAREST = "Relu, or Clip from 0 to 6"
_SMOOTH = "SiLU, GELU, HardSwish or Tanh"
#: What can be taken in place of an operation that cannot.
NEAREST: Mapping[str, str] = {
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign"), _NEAREST
    ),
    **dict.fromkeys(("Mish", "Erf"), _SMOOTH),
    "ConvTranspose": "Conv",
    "LRN": "BatchNormalization",
    "LayerNormalization": "BatchNormalization",
    "GroupNormalization": "BatchNormalization",
    "InstanceNormalization": "BatchNormalization",
    "GlobalMaxPool": "GlobalAveragePool",
    "ReduceMax": "GlobalAveragePool",
    "Transpose": "an export with channels first: (batch, channels, height, width)",
    "Max": "Add",
    "Einsum": "Gemm",
}


def unsupported(node: Operation, reason: str) -> UnsupportedOperation:
    """The error for an operation."""
    near = NEAREST.get(node.kind)
    hint = f"; the nearest that can be taken is {near}" if near else ""
    return UnsupportedOperation(f"{node} cannot be taken: {reason}{hint}")
