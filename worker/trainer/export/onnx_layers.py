"""The layers as operators of ONNX: the one list of how each kind is written.

Reference of the operators: https://onnx.ai/onnx/operators/, in the versions of `OPERATOR_SET`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from core.layers import Shape
from core.layers.batch_norm import EPSILON
from core.layers.relu6 import MAX_VALUE
from worker.trainer.export.onnx_graph import OnnxGraph

OPERATOR_SET = 17  # onnxruntime reads it from its version 1.12 of 2022 on


@dataclass(frozen=True, slots=True)
class LayerCall:
    """A layer with the names of its parameters and inputs in the graph."""

    layer: Any
    parameters: dict[str, str]
    inputs: Sequence[str]
    shapes: Sequence[Shape]  # of the inputs, without the batch

    @property
    def spatial_axes(self) -> int:
        """The number of spatial axes of the first input."""
        return len(self.shapes[0]) - 1


Writer = Callable[[OnnxGraph, LayerCall], str]  # appends the layer; returns its output's name


def _operator(kind: str, **attributes: Any) -> Writer:
    """A layer that is one operator of its inputs."""
    return lambda graph, call: graph.operator(kind, *call.inputs, **attributes)


def _number(graph: OnnxGraph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _unchanged(graph: OnnxGraph, call: LayerCall) -> str:
    return call.inputs[0]


def _convolution(graph: OnnxGraph, call: LayerCall) -> str:
    return _convolved(graph, call, groups=1)


def _depthwise(graph: OnnxGraph, call: LayerCall) -> str:
    return _convolved(graph, call, groups=call.shapes[0][0])


def _convolved(graph: OnnxGraph, call: LayerCall, groups: int) -> str:
    layer, axes = call.layer, call.spatial_axes
    before, after = zip(*layer.ends, strict=True)
    return graph.operator(
        "Conv",
        *call.inputs,
        *(call.parameters[name] for name in ("weight", "bias") if name in call.parameters),
        kernel_shape=[layer.kernel] * axes,
        strides=[layer.stride] * axes,
        pads=[*before, *after],
        group=groups,
    )


def _dense(graph: OnnxGraph, call: LayerCall) -> str:
    parameters = [call.parameters[name] for name in ("weight", "bias") if name in call.parameters]
    return graph.operator("Gemm", *call.inputs, *parameters, transB=1)


def _embedding(graph: OnnxGraph, call: LayerCall) -> str:
    """(N, 1, length) -> (N, units, length), with token numbers as in the layer."""
    rounded = graph.operator("Round", *call.inputs)
    limits = [_number(graph, limit) for limit in (0, call.layer.vocabulary - 1)]
    tokens = graph.operator("Clip", rounded, *limits)
    tokens = graph.operator("Cast", tokens, to=TensorProto.INT64)
    vectors = graph.operator("Gather", call.parameters["weight"], tokens, axis=0)
    squeezed = graph.operator("Squeeze", vectors, graph.integers([1]))
    return graph.operator("Transpose", squeezed, perm=[0, 2, 1])


def _batch_norm(graph: OnnxGraph, call: LayerCall) -> str:
    names = ("weight", "bias", "running_mean", "running_var")
    parameters = [call.parameters[name] for name in names]
    return graph.operator("BatchNormalization", *call.inputs, *parameters, epsilon=EPSILON)


def _relu6(graph: OnnxGraph, call: LayerCall) -> str:
    limits = [_number(graph, limit) for limit in (0, MAX_VALUE)]
    return graph.operator("Clip", *call.inputs, *limits)


def _silu(graph: OnnxGraph, call: LayerCall) -> str:
    return graph.operator("Mul", *call.inputs, graph.operator("Sigmoid", *call.inputs))


def _gelu(graph: OnnxGraph, call: LayerCall) -> str:
    """x (1 + erf(x / √2)) / 2"""
    (x,) = call.inputs
    error = graph.operator("Erf", graph.operator("Mul", x, _number(graph, 0.5**0.5)))
    share = graph.operator("Add", error, _number(graph, 1))
    return graph.operator("Mul", graph.operator("Mul", x, _number(graph, 0.5)), share)


def _gate(graph: OnnxGraph, call: LayerCall) -> str:
    return graph.operator("Mul", graph.operator("Sigmoid", *call.inputs), _number(graph, 2))


def _pool(kind: str) -> Writer:
    def write(graph: OnnxGraph, call: LayerCall) -> str:
        layer, axes = call.layer, call.spatial_axes
        before, after = zip(*layer.completing_ends(call.shapes[0][1:]), strict=True)
        (x,) = call.inputs
        counted = {"count_include_pad": 1} if getattr(layer, "count_include_pad", False) else {}
        if counted and layer.ceil_mode:  # runtimes disagree on what counts: zeros of the input do
            zeros = graph.integers([0, 0, *before] + [0, 0] + [layer.padding] * axes)
            x, counted = graph.operator("Pad", x, zeros), {}
            before, after = (0,) * axes, tuple(end - layer.padding for end in after)
        dilated = {"dilations": [*layer.dilations]} if getattr(layer, "dilation", 1) != 1 else {}
        if dilated and any((*before, *after)):
            # onnxruntime wants pads below the size, and on CUDA some versions misplace them:
            # https://github.com/microsoft/onnxruntime/issues/29637
            added = graph.integers([0, 0, *before, 0, 0, *after])
            x = graph.operator("Pad", x, added, _number(graph, -np.inf))
            before = after = (0,) * axes
        return graph.operator(
            kind,
            x,
            kernel_shape=[*layer.sizes],
            strides=[*layer.strides],
            pads=[*before, *after],  # and no ceil_mode, which old runtimes read in another way
            **counted,
            **dilated,
        )

    return write


def _global_avg_pool(graph: OnnxGraph, call: LayerCall) -> str:
    return graph.operator("Flatten", graph.operator("GlobalAveragePool", *call.inputs))


def _scale(graph: OnnxGraph, call: LayerCall) -> str:
    x, factors = call.inputs
    if call.shapes[0] != call.shapes[1]:
        axes = graph.integers(range(2, 2 + call.spatial_axes))
        factors = graph.operator("Unsqueeze", factors, axes)
    return graph.operator("Mul", x, factors)


def _zero(graph: OnnxGraph, call: LayerCall) -> str:
    """Zeros for as many examples as the input has: zero times infinity would not be zero."""
    count = graph.operator("Shape", *call.inputs, start=0, end=1)
    one = graph.integers(call.layer.output_shape(call.shapes))
    return graph.operator("ConstantOfShape", graph.operator("Concat", count, one, axis=0))


WRITERS: dict[str, Writer] = {
    "input": _unchanged,
    "output": _unchanged,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "depthwise_conv1d": _depthwise,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "embedding": _embedding,
    "batch_norm": _batch_norm,
    "relu": _operator("Relu"),
    "relu6": _relu6,
    "silu": _silu,
    "gelu": _gelu,
    "sigmoid": _operator("Sigmoid"),
    "hard_sigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _operator("HardSwish"),
    "tanh": _operator("Tanh"),
    "zero": _zero,
    "gate": _gate,
    "max_pool1d": _pool("MaxPool"),
    "max_pool2d": _pool("MaxPool"),
    "avg_pool1d": _pool("AveragePool"),
    "avg_pool2d": _pool("AveragePool"),
    "global_avg_pool1d": _global_avg_pool,
    "global_avg_pool2d": _global_avg_pool,
    "flatten": _operator("Flatten"),
    "dropout": _unchanged,
    "add": _operator("Sum"),
    "concat": _operator("Concat", axis=1),
    "scale": _scale,
}
