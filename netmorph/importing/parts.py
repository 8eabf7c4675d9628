"""Parts of networks that no layer of ours computes, named where an operation of theirs is refused.

A part is known by the kind of an operation, by the class of the module of PyTorch that an operation
belongs to (programs of torch.export say it), or by the operations that an exporter writes for it:

self-attention        MatMul(Softmax(...), y), where y is computed as well
layer normalisation   Sqrt(mean((x - mean(x))²) + ε)
embedding of tokens   Gather(table, tokens), where the table is a constant
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from netmorph.errors import UnsupportedOperation
from netmorph.importing.operations import Operation

_PASSED = frozenset({"Identity", "Dropout", "Cast", "Where", "Reshape"})


@dataclass(frozen=True, slots=True)
class _Part:
    """A part in words: what it is, why no layer of ours computes it, what to use instead."""

    name: str
    reason: str
    nearest: str
    is_norm: bool = False


_ATTENTION = _Part(
    "self-attention",
    "the weights of its sums are computed from the example, ours are trained numbers",
    "convolutions with a global average pool, or a gate by Sigmoid and Mul as in "
    "squeeze-and-excitation",
)
_RECURRENT = _Part(
    "a recurrent layer",
    "it computes one position after the other, ours compute all at once",
    "one-dimensional convolutions along the positions with a global average pool",
)
_EMBEDDING = _Part(
    "an embedding of tokens",
    "a network that is given has images, signals or vectors of numbers as its input",
    "a search on a data set of texts, whose networks begin with an embedding of their own",
)
_CONTROL_FLOW = _Part(
    "control flow that depends on the values of an example",
    "a network of ours computes the same operations for every example",
    "the same network without the condition or the loop",
)
_LAYER_NORM = _Part(
    "layer normalisation",
    "its statistics are of one example, ours are fixed after a training",
    "BatchNormalization",
    is_norm=True,
)
_GROUP_NORM = _Part(
    "group or instance normalisation", _LAYER_NORM.reason, "BatchNormalization", is_norm=True
)

#: By kinds of ONNX, operators of torch, and classes of torch.nn.
_PARTS: Mapping[str, _Part] = {
    **dict.fromkeys(
        (
            *("Attention", "com.microsoft.Attention", "com.microsoft.MultiHeadAttention"),
            *("scaled_dot_product_attention", "_native_multi_head_attention"),
            *("_scaled_dot_product_flash_attention_for_cpu", "_transformer_encoder_layer_fwd"),
            "MultiheadAttention",
        ),
        _ATTENTION,
    ),
    **dict.fromkeys(
        (
            *("LSTM", "GRU", "RNN", "lstm", "gru", "rnn_tanh", "rnn_relu"),
            *("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
            *("LSTMCell", "GRUCell", "RNNCell"),
        ),
        _RECURRENT,
    ),
    **dict.fromkeys(("embedding", "embedding_bag", "Embedding", "EmbeddingBag"), _EMBEDDING),
    **dict.fromkeys(
        ("If", "Loop", "Scan", "higher_order.cond", "higher_order.while_loop", "higher_order.scan"),
        _CONTROL_FLOW,
    ),
    **dict.fromkeys(
        ("LayerNormalization", "layer_norm", "native_layer_norm", "LayerNorm"), _LAYER_NORM
    ),
    **dict.fromkeys(
        (
            *("GroupNormalization", "InstanceNormalization", "group_norm", "native_group_norm"),
            *("instance_norm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d"),
        ),
        _GROUP_NORM,
    ),
}


def with_parts(
    error: UnsupportedOperation, nodes: Sequence[Operation], constants: Set[str]
) -> UnsupportedOperation:
    """The error, with the parts of the network that no layer of ours computes named first.

    `constants` are the names of stored values. The same error is returned where there is no such
    part: only a network that is refused anyway is searched for them.
    """
    found: dict[_Part, list[Operation]] = {}
    for part, node in [*_by_kind(nodes), *_by_pattern(nodes, constants), *_by_class(nodes)]:
        found.setdefault(part, []).append(node)
    if not found:
        return error
    said = "; it has ".join(_in_words(part, of_part[0]) for part, of_part in found.items())
    more = f". {error}" if all(part.is_norm for part in found) else ""
    return UnsupportedOperation(f"the network cannot be taken: it has {said}{more}")


def _in_words(part: _Part, node: Operation) -> str:
    return f"{part.name} at {node}: {part.reason}; the nearest that can be taken is {part.nearest}"


def _by_kind(nodes: Sequence[Operation]) -> Iterator[tuple[_Part, Operation]]:
    for node in nodes:
        operator = node.written_kind.removeprefix("aten.").split(".")[0]
        for name in (node.kind, node.written_kind, operator):
            if name in _PARTS:
                yield _PARTS[name], node
                break


def _by_class(nodes: Sequence[Operation]) -> Iterator[tuple[_Part, Operation]]:
    for node in nodes:
        for name in node.classes:
            if name in _PARTS:
                yield _PARTS[name], node


def _by_pattern(
    nodes: Sequence[Operation], constants: Set[str]
) -> Iterator[tuple[_Part, Operation]]:
    makers = {output: node for node in nodes for output in node.outputs}
    constants = constants | {name for name, node in makers.items() if node.kind == "Constant"}
    for node in nodes:
        if node.kind == "MatMul" and not constants & {*node.inputs}:
            if any(_maker(makers, name, _PASSED) == "Softmax" for name in node.inputs):
                yield _ATTENTION, node
        elif node.kind == "Gather" and [one in constants for one in node.inputs] == [True, False]:
            yield _EMBEDDING, node
        elif node.kind == "Sqrt" and _is_deviation(makers, node):
            yield _LAYER_NORM, node


def _maker(makers: Mapping[str, Operation], name: str, passed: Set[str]) -> str:
    """The kind of the operation that computes a value; empty for a stored one or the input."""
    node = makers.get(name)
    while node is not None and node.kind in passed and node.inputs:
        node = makers.get(node.inputs[0])
    return "" if node is None else node.kind


def _is_deviation(makers: Mapping[str, Operation], root: Operation) -> bool:
    """Whether a root is that of the mean of squared differences, plus a number."""
    node = root
    for kinds in (("Add",), ("ReduceMean",), ("Pow", "Mul"), ("Sub",)):
        made = [makers[name] for name in node.inputs if name in makers]
        wanted = [one for one in made if one.kind in kinds]
        if not wanted:
            return False
        node = wanted[0]
    return True
