"""ONNX files: read as data, with limits; nothing of a file is ever run.

Needs the package `onnx` (`pip install 'netmorph[onnx]'`).
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from netmorph.errors import UnreadableNetwork
from netmorph.importing.graph import Array, Shape
from netmorph.importing.operations import (
    Operation,
    OperationGraph,
    check_count,
    check_size,
    example_shape,
    only,
)

_DOMAINS = ("", "ai.onnx")


def load(path: Path) -> OperationGraph:
    """The graph of an ONNX file; weights may be in a file beside it.

    Raises UnreadableNetwork where the file is too large or damaged, or where the network has
    several inputs or outputs, or an input of unknown shape.
    """
    model = _parse(path)
    graph = model.graph
    check_count(len(graph.node), path)
    constants = {tensor.name: _array(tensor, path) for tensor in graph.initializer}
    name, shape = _input(graph, constants, path)
    output = only([one.name for one in graph.output], "output", "of the logits", path)
    nodes = tuple(_node(index, node, path) for index, node in enumerate(graph.node))
    return OperationGraph(nodes, constants, name, shape, output)


def _parse(path: Path) -> ModelProto:
    data = _bytes(path)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise UnreadableNetwork(f"{path} is not an ONNX file, or it is damaged") from None
    if not model.graph.node:
        raise UnreadableNetwork(f"{path} is not an ONNX file: it has no operations")
    return model


def _bytes(path: Path) -> bytes:
    check_size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableNetwork(f"{path} cannot be read: {error.strerror}") from None


def _input(graph: GraphProto, constants: dict[str, Array], path: Path) -> tuple[str, Shape]:
    """The name of the one input, and the shape of one example."""
    inputs = {one.name: one for one in graph.input if one.name not in constants}
    name = only(list(inputs), "input", "the examples", path)
    dimensions = inputs[name].type.tensor_type.shape.dim
    return name, example_shape(
        name, [one.dim_value or one.dim_param or "?" for one in dimensions], path
    )


def _node(index: int, node: NodeProto, path: Path) -> Operation:
    kind = node.op_type if node.domain in _DOMAINS else f"{node.domain}.{node.op_type}"
    return Operation(
        name=node.name or f"number {index}",
        kind=kind,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={one.name: _value(one, path) for one in node.attribute},
    )


def _value(attribute: AttributeProto, path: Path) -> Any:
    match attribute.type:
        case AttributeProto.TENSOR:
            return _array(attribute.t, path)
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.STRING:
            return attribute.s.decode(errors="replace")
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case _:
            return None  # graphs and the like: no operation that can be taken has them


def _array(tensor: TensorProto, path: Path) -> Array:
    """The values of a tensor; raises UnreadableNetwork where they do not fit its shape."""
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            return _external(tensor, path)
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableNetwork(
            f"the tensor {tensor.name!r} of {path} is damaged: {error}"
        ) from None


def _external(tensor: TensorProto, path: Path) -> Array:
    """The values of a tensor in a file beside the ONNX file; in no other folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if not location or location in (".", "..") or Path(location).name != location:
        raise UnreadableNetwork(
            f"{path} keeps the tensor {tensor.name!r} in {location!r}; expected a file in the same "
            "folder, given by its name alone"
        )
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    beside = path.parent / location
    try:
        if beside.is_symlink():
            raise UnreadableNetwork(f"{beside} is a link; expected the file with the weights")
        found = np.memmap(beside, np.uint8, "r")
    except OSError as error:
        raise UnreadableNetwork(
            f"the weights of {path} are in {beside}, which cannot be read: {error.strerror}"
        ) from None
    start, size = int(entries.get("offset", "0")), prod(tensor.dims) * dtype.itemsize
    data = bytes(found[start : start + size]) if start >= 0 and 0 <= size <= len(found) else b""
    return np.frombuffer(data, dtype).reshape(tuple(tensor.dims))
