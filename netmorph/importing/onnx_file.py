"""ONNX files: read as data, with limits; nothing of a file is ever run.

Needs the package `onnx` (`pip install 'netmorph[onnx]'`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from netmorph.errors import UnreadableNetwork
from netmorph.importing.graph import Shape

MOST_BYTES = 1 << 30  # of a file
MOST_NODES = 10_000
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
_DOMAINS = ("", "ai.onnx")

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operation of the file."""

    name: str
    kind: str
    inputs: tuple[str, ...]  # "" where an optional one is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.kind})"


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """The operations of a file in order, its constants, and its one input and output."""

    nodes: tuple[OnnxNode, ...]
    constants: dict[str, Array]
    input: str
    input_shape: Shape  # of one example
    output: str


def load(path: Path) -> OnnxGraph:
    """The graph of an ONNX file; weights may be in a file beside it.

    Raises UnreadableNetwork where the file is too large or damaged, or where the network has
    several inputs or outputs, or an input of unknown shape.
    """
    model = _parse(path)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise UnreadableNetwork(
            f"{path} has {len(graph.node)} operations; expected at most {MOST_NODES}"
        )
    constants = {tensor.name: _array(tensor, path) for tensor in graph.initializer}
    name, shape = _input(graph, constants, path)
    outputs = [output.name for output in graph.output]
    if len(outputs) != 1:
        raise UnreadableNetwork(
            f"{path} has {len(outputs)} outputs, {_listed(outputs)}; expected one, of the logits"
        )
    nodes = tuple(_node(index, node, path) for index, node in enumerate(graph.node))
    return OnnxGraph(nodes, constants, name, shape, outputs[0])


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
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UnreadableNetwork(
                f"{path} has {size} bytes; expected at most {MOST_BYTES} for a network"
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadableNetwork(f"{path} cannot be read: {error.strerror}") from None


def _input(graph: GraphProto, constants: dict[str, Array], path: Path) -> tuple[str, Shape]:
    """The name of the one input, and the shape of one example."""
    inputs = [one for one in graph.input if one.name not in constants]
    if len(inputs) != 1:
        raise UnreadableNetwork(
            f"{path} has {len(inputs)} inputs, {_listed([one.name for one in inputs])}; "
            "expected one, the examples"
        )
    dimensions = inputs[0].type.tensor_type.shape.dim
    shape = tuple(one.dim_value for one in dimensions[1:])
    if len(dimensions) not in (2, 3, 4) or min(shape) < 1:
        found = [one.dim_value or one.dim_param or "?" for one in dimensions]
        raise UnreadableNetwork(
            f"the input {inputs[0].name!r} of {path} has shape {found}; expected (batch, channels, "
            "height, width), (batch, channels, length) or (batch, features), where only the batch "
            "may be open: export it with an example of the data's shape"
        )
    return inputs[0].name, shape


def _node(index: int, node: NodeProto, path: Path) -> OnnxNode:
    kind = node.op_type if node.domain in _DOMAINS else f"{node.domain}.{node.op_type}"
    return OnnxNode(
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


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
