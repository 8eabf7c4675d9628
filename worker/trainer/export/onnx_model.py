"""The exported network as an ONNX file: it reads raw examples and gives probabilities or numbers.

It is written from the architecture, layer by layer, so that a worker needs no exporter of torch.
"""

import numpy as np
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, checker, helper, shape_inference

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import LAYERS, Array, Shape
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.export.onnx_graph import OnnxGraph
from worker.trainer.export.onnx_heads import HEADS, Head
from worker.trainer.export.onnx_layers import OPERATOR_SET, WRITERS, LayerCall

INPUT = "examples"
FORMAT = 8  # of the file, as OPERATOR_SET
_TYPES = {
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
_FULL_LAYOUTS = {1: "NF", 2: "NCL", 3: "NCHW"}  # by the number of axes of an example


class OnnxUnavailable(Exception):
    """The network cannot be written as an ONNX file; the message says why."""


def head_of(task: str, spec: DatasetSpec, targets: TargetScale | None) -> Head:
    """The head of a task's ONNX file; raises OnnxUnavailable where the task has none."""
    if task not in HEADS:
        raise OnnxUnavailable(f"results of the task {task} have no form in ONNX yet")
    return HEADS[task](spec, targets)


def onnx_model(
    head: Head,
    spec: DatasetSpec,
    normalisation: Normalisation,
    architecture: Architecture,
    weights: Weights,
) -> bytes:
    """The file, checked by the rules of ONNX.

    Its input is an array of the stored type with the axes of the user's file, any number of
    examples at once; of a table, the features of its rows. The names of the classes or the targets
    are in its metadata, as JSON under `classes` or `targets`.

    Raises:
        OnnxUnavailable: it cannot be written, or breaks a rule.
    """
    try:
        model = _model(head, spec, normalisation, architecture, weights)
        helper.set_model_props(model, head.facts | {"layout": layout_of(spec)})
        checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise OnnxUnavailable(f"ONNX's checker refuses it: {error}") from error
    except (EncodeError, ValueError) as error:  # beyond two gigabytes
        raise OnnxUnavailable(f"it cannot be stored in the format of ONNX: {error}") from error
    return data


def _model(
    head: Head,
    spec: DatasetSpec,
    normalisation: Normalisation,
    architecture: Architecture,
    weights: Weights,
) -> ModelProto:
    graph = OnnxGraph()
    x = _normalised(graph, _arranged(graph, spec), normalisation, len(spec.input_shape) - 1)
    head.write(graph, _network(graph, x, architecture, weights))
    graph.rename_output(head.name)
    read = helper.make_tensor_value_info(INPUT, _TYPES[spec.dtype], input_axes(spec))
    given = helper.make_tensor_value_info(head.name, head.type, ["N", spec.outputs])
    return helper.make_model(
        graph.finished("network", [read], [given]),
        producer_name="netmorph",
        ir_version=FORMAT,
        opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
    )


def layout_of(spec: DatasetSpec) -> str:
    """The axes of the input; channels first where the data set has no record of them."""
    return spec.layout or _FULL_LAYOUTS[len(spec.input_shape)]


def input_axes(spec: DatasetSpec) -> list[int | str]:
    """The length of each axis of the input; that of the examples is open."""
    full = _FULL_LAYOUTS[len(spec.input_shape)]
    lengths: dict[str, int | str] = dict(zip(full, ("N", *spec.input_shape), strict=True))
    return [lengths[axis] for axis in layout_of(spec)]


def _arranged(graph: OnnxGraph, spec: DatasetSpec) -> str:
    """The examples with channels first: (N, channels, ...)"""
    layout, full = layout_of(spec), _FULL_LAYOUTS[len(spec.input_shape)]
    if layout == full:
        return INPUT
    if "C" not in layout:
        return graph.operator("Unsqueeze", INPUT, graph.integers([1]))
    return graph.operator("Transpose", INPUT, perm=[layout.index(axis) for axis in full])


def _normalised(graph: OnnxGraph, x: str, normalisation: Normalisation, spatial_axes: int) -> str:
    """The examples as the network reads them, computed in the precision of the training."""
    exact = np.dtype(np.float64 if normalisation.in_float64 else np.float32)
    shape = (1, -1, *[1] * spatial_axes)
    mean = np.array(normalisation.mean, exact).reshape(shape)
    scale = 1 / np.array(normalisation.std, exact).reshape(shape)
    precise = helper.np_dtype_to_tensor_dtype(exact)
    centred = graph.operator(
        "Sub", graph.operator("Cast", x, to=precise), graph.constant(mean, "mean")
    )
    scaled = graph.operator("Mul", centred, graph.constant(scale, "scale"))
    return graph.operator("Cast", scaled, to=TensorProto.FLOAT)


def _network(graph: OnnxGraph, x: str, architecture: Architecture, weights: Weights) -> str:
    """The outputs of the architecture's last layer."""
    values: dict[int, str] = {}
    for node in architecture.nodes:
        parameters = {
            name: graph.constant(_single(array), f"{node.id}.{name}")
            for name, array in weights.get(node.id, {}).items()
        }
        inputs = [values[source] for source in node.inputs] or [x]
        shapes: list[Shape] = list(architecture.input_shapes(node))
        call = LayerCall(node.layer, parameters, inputs, shapes)
        values[node.id] = WRITERS[LAYERS.kind_of(node.layer)](graph, call)
    return values[architecture.nodes[-1].id]


def _single(array: Array) -> Array:
    return np.asarray(array, np.float32)
