"""From the operations of a file to an architecture with the same function."""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace

import numpy as np

from netmorph.errors import UnreadableNetwork, UnsupportedOperation
from netmorph.importing import convolutions, elementwise, vectors
from netmorph.importing.conversion import Conversion
from netmorph.importing.folding import FOLDED, fold
from netmorph.importing.graph import Finished
from netmorph.importing.layout import is_channels_last
from netmorph.importing.operations import Operation, OperationGraph
from netmorph.importing.parts import with_parts
from netmorph.importing.patterns import merged
from netmorph.importing.preparation import Preparation
from netmorph.importing.refusals import unsupported, unsupported_kinds
from netmorph.importing.value import Value


def convert(graph: OperationGraph, preparation: Preparation) -> tuple[Finished, tuple[str, ...]]:
    """The architecture with its weights, and notes on what differs from the file.

    Raises UnsupportedOperation, which names the node, where an operation cannot be taken.
    """
    source, graph = graph, merged(graph)
    is_last = is_channels_last(graph)
    if is_last:
        *sides, channels = graph.input_shape
        graph = replace(graph, input_shape=(channels, *sides))
    conversion = Conversion(graph, *preparation.affine(graph.input_shape[0]), is_last)
    try:
        _check_kinds(graph)
        for node in graph.nodes:
            _take(conversion, node)
    except UnsupportedOperation as error:
        raise with_parts(error, source.nodes, source.constants.keys()) from None
    return _finished(conversion)


def _check_kinds(graph: OperationGraph) -> None:
    """Raise UnsupportedOperation with all kinds of operations that cannot be taken."""
    constants, unknown = {*graph.constants}, []
    for node in graph.nodes:
        if _is_folded(node, constants) or node.kind == "Shape":
            constants.update(node.outputs[:1])
        elif node.kind not in _TAKEN:
            unknown.append(node)
    if unknown:
        raise unsupported_kinds(unknown)


def _is_folded(node: Operation, constants: Container[str]) -> bool:
    """Whether the operation is computed from constants alone."""
    return node.kind in FOLDED and all(name in constants for name in node.inputs if name)


def _take(c: Conversion, node: Operation) -> None:
    """Convert one operation, or compute it where all its inputs are constants."""
    try:
        if _is_folded(node, c.constants):
            c.constants[node.outputs[0]] = fold(node, c.constants)
            return
        if c.ended is not None:
            raise unsupported(c.ended, "other operations read it; expected it at the end")
        c.values[node.outputs[0]] = _TAKEN.get(node.kind, _of_shapes)(c, node)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise UnreadableNetwork(f"{node} is damaged: {error}") from error


def _finished(c: Conversion) -> tuple[Finished, tuple[str, ...]]:
    """The architecture that ends with the output of the file."""
    logits = c.value(c.source.output, "the output")
    if not logits.is_vector or len(logits.shape) != 1:
        raise UnreadableNetwork(
            f"the output {c.source.output!r} has shape {logits.written_shape} for one example; "
            "expected (classes,)"
        )
    if logits.flattened:
        raise UnreadableNetwork(
            f"the output {c.source.output!r} is an image with its channels last, flattened; "
            "expected a dense layer at the end"
        )
    finished = c.graph.finish(logits.node, c.factor, c.shift)
    return finished, tuple(dict.fromkeys(c.notes))


def _of_shapes(c: Conversion, node: Operation) -> Value:
    raise unsupported(node, "expected it to compute a shape from constants alone")


def _shape_of(c: Conversion, node: Operation) -> Value:
    """The shape of a value as a constant, with -1 for the batch."""
    value = c.value(node.inputs[0], node)
    c.constants[node.outputs[0]] = np.array([-1, *value.written_shape])
    return value


#: How each kind of operation is taken.
_TAKEN: Mapping[str, Callable[[Conversion, Operation], Value]] = {
    "Conv": convolutions.convolution,
    "MaxPool": convolutions.pool,
    "AveragePool": convolutions.pool,
    "GlobalAveragePool": convolutions.global_pool,
    "GlobalMaxPool": convolutions.global_pool,
    "ReduceMean": convolutions.mean,
    "ReduceMax": convolutions.largest,
    "BatchNormalization": elementwise.batch_norm,
    "Relu": elementwise.relu,
    "Clip": elementwise.clip,
    "Silu": elementwise.silu,
    "Swish": elementwise.silu,
    "Gelu": elementwise.gelu,
    "Sigmoid": elementwise.sigmoid,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": elementwise.hard_swish,
    "Tanh": elementwise.tanh,
    "Gemm": vectors.gemm,
    "MatMul": vectors.matmul,
    "Add": elementwise.add,
    "Sub": elementwise.with_constant,
    "Mul": elementwise.multiply,
    "Div": elementwise.with_constant,
    "Concat": elementwise.concat,
    "Flatten": vectors.flatten,
    "Reshape": vectors.reshape,
    "Squeeze": vectors.squeeze,
    "Unsqueeze": vectors.unsqueeze,
    "Expand": vectors.expand,
    "Transpose": vectors.transpose,
    "Pad": convolutions.pad,
    "Identity": elementwise.same,
    "Dropout": elementwise.same,
    "Cast": elementwise.same,
    "Softmax": elementwise.softmax,
    "LogSoftmax": elementwise.softmax,
    "Shape": _shape_of,
    **dict.fromkeys(("Constant", "Gather", "Slice"), _of_shapes),
}
