"""How an operation that cannot be taken is refused: its node, the reason, what can be taken."""

from collections import Counter
from collections.abc import Mapping, Sequence

from netmorph.errors import UnsupportedOperation
from netmorph.importing.operations import Operation

_MOST = 8  # kinds that are named
_NEAREST = "Relu, or Clip from 0 to 6"
_SMOOTH = "SiLU, GELU, HardSwish or Tanh"
_EACH_PART = "a Conv for each part, which reads all channels"
#: What can be taken in place of an operation that cannot.
NEAREST: Mapping[str, str] = {
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign"), _NEAREST
    ),
    **dict.fromkeys(("Mish", "Erf", "aten.log_sigmoid", "aten.hardshrink"), _SMOOTH),
    "ConvTranspose": "Conv",
    "LRN": "BatchNormalization",
    "LayerNormalization": "BatchNormalization",
    "GroupNormalization": "BatchNormalization",
    "InstanceNormalization": "BatchNormalization",
    "ReduceMax": "ReduceMax over all positions",
    "Transpose": "an export with channels first, or a Conv of size 1 in place of a shuffle",
    "Max": "Add",
    "Einsum": "Gemm",
    **dict.fromkeys(("Slice", "aten.slice", "Split", "Gather", "aten.gather"), _EACH_PART),
    **dict.fromkeys(("Resize", "Upsample", "DepthToSpace"), "a smaller stride before it"),
    **dict.fromkeys(("ReduceSum", "ReduceL2", "ReduceProd"), "ReduceMean over all positions"),
    **dict.fromkeys(("Abs", "Sqrt", "Exp", "Log", "Neg", "Pow", "Sin", "Cos"), _NEAREST),
}
_NOTHING = "nothing near them can be taken: build the network without them"


def unsupported_kinds(nodes: Sequence[Operation]) -> UnsupportedOperation:
    """The error for all operations of kinds that cannot be taken, in the order of the graph."""
    counts = Counter(node.written_kind for node in nodes)
    kinds = ", ".join(f"{kind} ({count})" for kind, count in counts.most_common(_MOST))
    reason = f"the operations that cannot be taken are: {kinds}"
    near = {node.written_kind: NEAREST[node.kind] for node in nodes if node.kind in NEAREST}
    if not near:
        return UnsupportedOperation(f"{nodes[0]} cannot be taken: {reason}; {_NOTHING}")
    if len(counts) == 1:
        return unsupported(nodes[0], reason)
    hints = "; ".join(f"for {kind}, {one}" for kind, one in [*near.items()][:_MOST])
    return UnsupportedOperation(
        f"{nodes[0]} cannot be taken: {reason}; the nearest that can be taken: {hints}"
    )


def unsupported(node: Operation, reason: str) -> UnsupportedOperation:
    """The error for an operation."""
    near = NEAREST.get(node.kind)
    hint = f"; the nearest that can be taken is {near}" if near else ""
    return UnsupportedOperation(f"{node} cannot be taken: {reason}{hint}")
