"""From torch's operators to the operations of the ONNX standard that compute the same."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netmorph.errors import UnreadableNetwork
from netmorph.importing.refusals import unsupported
from netmorph.importing.torch_export.call import Call, Name
from netmorph.importing.torch_export.constants import FOLDED, fold
from netmorph.importing.torch_export.translation import Translation

#: The kind whose refusal fits an operator that cannot be taken.
_REFUSED: Mapping[str, str] = {
    "leaky_relu": "LeakyRelu",
    "prelu": "PRelu",
    "_prelu_kernel": "PRelu",
    "elu": "Elu",
    "selu": "Selu",
    "celu": "Celu",
    "softplus": "Softplus",
    "mish": "Mish",
    "erf": "Erf",
    "layer_norm": "LayerNormalization",
    "native_layer_norm": "LayerNormalization",
    "group_norm": "GroupNormalization",
    "native_group_norm": "GroupNormalization",
    "instance_norm": "InstanceNormalization",
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), "ConvTranspose"),
    "max": "ReduceMax",
    **dict.fromkeys(("maximum", "minimum"), "Max"),
    **dict.fromkeys(("t", "movedim"), "Transpose"),
    "einsum": "Einsum",
    **dict.fromkeys(("slice", "select", "narrow"), "aten.slice"),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind", "glu"), "Split"),
    **dict.fromkeys(("index", "index_select", "gather"), "aten.gather"),
    "upsample_nearest2d": "Resize",
    "upsample_bilinear2d": "Resize",
    "pixel_shuffle": "DepthToSpace",
    "sum": "ReduceSum",
    **{
        name: name.capitalize()
        for name in ("abs", "sqrt", "exp", "log", "neg", "pow", "sin", "cos")
    },
}


Taker = Callable[[Translation, Call], None]


def take(t: Translation, call: Call) -> None:
    """Add the operation that a call is.

    One that cannot be taken is added as well, under the kind whose refusal fits. Raises
    UnsupportedOperation where an operator is known, but not in this form.
    """
    if not any(call.outputs):
        return  # a check of sizes, or a size
    try:
        if call.operator in FOLDED and all(name in t.constants for name in call.read):
            output = call.outputs[0]
            t.constants[output] = fold(call, t.constants, t.shapes[output])
        elif call.operator in _TAKEN:
            _TAKEN[call.operator](t, call)
        else:
            kind = _REFUSED.get(call.operator, call.kind.removesuffix(".default"))
            t.add(call, kind, *call.read)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnreadableNetwork(f"node {call.name!r} ({call.kind}) is damaged: {error}") from error


def _convolution(t: Translation, call: Call) -> None:
    x, weight = call.tensor("input"), call.tensor("weight")
    axes = len(t.shapes[weight]) - 2
    a = call.arguments
    windows: dict[str, Any] = {
        "strides": call.integers("stride", axes, 1),
        "dilations": call.integers("dilation", axes, 1),
    }
    match a.get("padding"):
        case "same":
            windows["auto_pad"] = "SAME_UPPER"
        case "valid":
            windows["auto_pad"] = "VALID"
        case _:
            windows["pads"] = call.integers("padding", axes, 0) * 2
    kind = "ConvTranspose" if a.get("transposed") else "Conv"
    t.add(call, kind, x, weight, call.tensor("bias"), group=a.get("groups", 1), **windows)


def _batch_norm(t: Translation, call: Call) -> None:
    x, mean, variance = (call.tensor(name) for name in ("input", "running_mean", "running_var"))
    a = call.arguments
    if a.get("training") or not mean or not variance:
        raise unsupported(
            call.operation("BatchNormalization", ()),
            "it is in training mode, or keeps no statistics; export the model after model.eval()",
        )
    ones = np.ones_like(t.constants[mean]) if mean in t.constants else np.ones(())
    weight = call.tensor("weight") or t.constant(call, "weight", ones)
    bias = call.tensor("bias") or t.constant(call, "bias", ones * 0)
    t.add(call, "BatchNormalization", x, weight, bias, mean, variance, epsilon=a["eps"])


def _pool(t: Translation, call: Call) -> None:
    """A pool; one of an image of height 1 that holds a signal is a pool of the signal."""
    x, a = call.tensor("self"), call.arguments
    axes = len(t.shapes[x]) - 2
    sizes = call.integers("kernel_size", axes)
    strides = call.integers("stride", axes) if a.get("stride") else sizes
    pads, dilations = call.integers("padding", axes, 0), call.integers("dilation", axes, 1)
    if a.get("divisor_override") is not None:
        raise unsupported(call.operation("AveragePool", ()), "it has a divisor of its own")
    first = 0
    if x in t.lines and sizes[0] == 1 and pads[0] == 0:
        first = 1
        t.lines[call.outputs[0]] = call.outputs[0]
    t.add(
        call,
        "MaxPool" if "max" in call.operator else "AveragePool",
        t.lines.get(x, x),
        kernel_shape=sizes[first:],
        strides=strides[first:],
        pads=pads[first:] * 2,
        dilations=dilations[first:],
        ceil_mode=int(bool(a.get("ceil_mode", False))),
        count_include_pad=int(bool(a.get("count_include_pad", True))),
    )


def _adaptive_pool(t: Translation, call: Call) -> None:
    """A pool to a number of positions, which is a pool with a window where it divides the sides."""
    x = call.tensor("self")
    sides = t.axes(x)
    targets = call.integers("output_size", len(sides))
    is_max = "max" in call.operator
    if targets == sides:
        t.add(call, "Identity", x)
    elif set(targets) == {1} and not is_max:
        t.add(call, "GlobalAveragePool", x)
    elif all(
        target > 0 and side % target == 0 for side, target in zip(sides, targets, strict=True)
    ):
        windows = tuple(side // target for side, target in zip(sides, targets, strict=True))
        kind = "MaxPool" if is_max else "AveragePool"
        t.add(call, kind, x, kernel_shape=windows, strides=windows)
    else:
        raise unsupported(
            call.operation("AveragePool", ()),
            f"from {sides} to {targets} positions; expected 1, or a number that divides the sides",
        )


def _mean(t: Translation, call: Call) -> None:
    x, keep = call.tensor("self"), bool(call.arguments.get("keepdim", False))
    rank = len(t.shapes[x])
    axes = [axis % rank for axis in call.arguments.get("dim") or []]
    if x in t.lines and sorted(axes) == [2, 3]:
        axes = [2]
        if keep:
            t.lines[call.outputs[0]] = call.outputs[0]
    t.add(call, "ReduceMean", t.lines.get(x, x), axes=tuple(axes), keepdims=int(keep))


def _largest(t: Translation, call: Call) -> None:
    a = call.arguments
    axes = tuple(a.get("dim") or ())
    t.add(call, "ReduceMax", call.tensor("self"), axes=axes, keepdims=int(a.get("keepdim", False)))


def _permute(t: Translation, call: Call) -> None:
    x, a = call.tensor("self"), call.arguments
    order = list(range(len(t.shapes[x])))
    if "dims" in a:
        order = [order[axis] for axis in a["dims"]]
    else:
        one, other = a["dim0"], a["dim1"]
        order[one], order[other] = order[other], order[one]
    t.add(call, "Transpose", x, perm=tuple(order))


def _expand(t: Translation, call: Call) -> None:
    """A repetition along axes of length 1: its result's sizes are known."""
    _, *rest = t.shapes[call.outputs[0]]
    target = t.constant(call, "shape", np.array([-1, *[-1 if n is None else n for n in rest]]))
    t.add(call, "Expand", call.tensor("self"), target)


def _unary(kind: str, *names: str) -> Taker:
    """An operation on each value, with these arguments as attributes of the same names."""

    def take(t: Translation, call: Call) -> None:
        given = {
            name: call.arguments[name] for name in names if call.arguments.get(name) is not None
        }
        t.add(call, kind, call.tensor("self", "input"), **given)

    return take


def _hard(kind: str) -> Taker:
    """An activation with the hard sigmoid of torch, whose slope is 1/6."""
    return lambda t, call: t.add(call, kind, call.tensor("self"), alpha=1 / 6, beta=0.5)


def _clip(t: Translation, call: Call) -> None:
    """Limits under the names of clamp and of hardtanh."""
    a = call.arguments
    is_hardtanh = call.operator.startswith("hardtanh")
    least, most = (-1.0, 1.0) if is_hardtanh else (None, None)
    least, most = a.get("min_val", a.get("min", least)), a.get("max_val", a.get("max", most))
    limits = {"min": least, "max": most}
    if any(isinstance(limit, Name) for limit in limits.values()):
        raise unsupported(call.operation("Clip", ()), "its limits are computed; expected numbers")
    given = {name: float(limit) for name, limit in limits.items() if limit is not None}
    t.add(call, "Clip", call.tensor("self"), **given)


def _relu6(t: Translation, call: Call) -> None:
    t.add(call, "Clip", call.tensor("self"), min=0.0, max=6.0)


def _linear(t: Translation, call: Call) -> None:
    inputs = call.tensor("input"), call.tensor("weight"), call.tensor("bias")
    t.add(call, "Gemm", *inputs, transB=1)


def _addmm(t: Translation, call: Call) -> None:
    inputs = call.tensor("mat1"), call.tensor("mat2"), call.tensor("self")
    factors = {name: call.arguments.get(name, 1) for name in ("alpha", "beta")}
    t.add(call, "Gemm", *inputs, **factors)


def _matmul(t: Translation, call: Call) -> None:
    t.add(call, "MatMul", call.tensor("self"), call.tensor("mat2", "other"))


def _binary(kind: str) -> Taker:
    def take(t: Translation, call: Call) -> None:
        a = call.arguments
        if a.get("alpha", 1) != 1 or a.get("rounding_mode") is not None:
            raise unsupported(call.operation(kind, ()), "it scales or rounds; expected neither")
        inputs = [t.number(call, "self"), t.number(call, "other")]
        t.add(call, kind, *(inputs[::-1] if call.operator == "rsub" else inputs))

    return take


def _concat(t: Translation, call: Call) -> None:
    names = [one.text for one in call.arguments["tensors"]]
    t.add(call, "Concat", *names, axis=call.arguments.get("dim", 0))


def _reshape(t: Translation, call: Call) -> None:
    """Any change of the shape: its result's sizes are known."""
    x = call.tensor("self", "input")
    _, *rest = t.shapes[call.outputs[0]]
    if None in rest:
        raise unsupported(call.operation("Reshape", ()), "sizes other than the batch are open")
    target = t.constant(call, "shape", np.array([-1, *rest]))
    t.add(call, "Reshape", t.lines.get(x, x), target)


def _slice(t: Translation, call: Call) -> None:
    """A part of an axis, which is taken where it is the whole axis, as of `x[:, :, None]`."""
    x = call.tensor("self")
    is_whole = t.shapes[x] == t.shapes[call.outputs[0]]
    t.add(call, "Identity" if is_whole else "aten.slice", x)


def _unsqueeze(t: Translation, call: Call) -> None:
    x, rank = call.tensor("self"), len(t.shapes[call.tensor("self")])
    if rank == 3 and int(call.arguments["dim"]) % (rank + 1) == 2:
        t.lines[call.outputs[0]] = x
        t.add(call, "aten.unsqueeze", x)  # refused if something other than a pool reads it
    else:
        _reshape(t, call)


def _pad(t: Translation, call: Call) -> None:
    a = call.arguments
    pads = a["pad"]
    axes = len(t.shapes[call.tensor("self")])
    sides = [(0, 0)] * (axes - len(pads) // 2) + list(zip(pads[::2], pads[1::2], strict=True))[::-1]
    value = t.constant(call, "value", np.asarray(a.get("value") or 0.0, float))
    flat = [before for before, _ in sides] + [after for _, after in sides]
    t.add(call, "Pad", call.tensor("self"), "", value, pads=flat, mode=a.get("mode", "constant"))


def _dropout(t: Translation, call: Call) -> None:
    if call.arguments.get("train"):
        raise unsupported(
            call.operation("Dropout", ()),
            "it is in training mode; export the model after model.eval()",
        )
    t.add(call, "Identity", call.tensor("input", "self"))


def _cast(t: Translation, call: Call) -> None:
    """A cast to floats, or to nothing else than another device."""
    to = {None: None, 7: 1, 8: 11}.get(call.arguments.get("dtype"), 0)
    if to is None:
        t.add(call, "Identity", call.tensor("self"))
    else:
        t.add(call, "Cast", call.tensor("self"), to=to)


def _softmax(t: Translation, call: Call) -> None:
    kind = "LogSoftmax" if "log" in call.operator else "Softmax"
    t.add(call, kind, call.tensor("self"), axis=call.arguments["dim"])


#: How each operator is taken. One that works in place ends with "_" and is taken as its namesake.
_TAKEN: Mapping[str, Taker] = {
    **dict.fromkeys(("conv1d", "conv2d", "convolution"), _convolution),
    **dict.fromkeys(
        (
            *("batch_norm", "native_batch_norm"),
            *("_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
        ),
        _batch_norm,
    ),
    **dict.fromkeys(
        (
            *("max_pool1d", "max_pool2d", "max_pool1d_with_indices", "max_pool2d_with_indices"),
            *("avg_pool1d", "avg_pool2d"),
        ),
        _pool,
    ),
    **dict.fromkeys(
        (
            *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"),
            *("adaptive_max_pool1d", "adaptive_max_pool2d"),
        ),
        _adaptive_pool,
    ),
    "mean": _mean,
    "amax": _largest,
    **dict.fromkeys(("permute", "transpose"), _permute),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    "relu": _unary("Relu"),
    "relu6": _relu6,
    **dict.fromkeys(("hardtanh", "clamp", "clamp_min", "clamp_max"), _clip),
    "silu": _unary("Silu"),
    "gelu": _unary("Gelu", "approximate"),
    "sigmoid": _unary("Sigmoid"),
    "tanh": _unary("Tanh"),
    "hardsigmoid": _hard("HardSigmoid"),
    "hardswish": _hard("HardSwish"),
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("mm", "matmul"), _matmul),
    "add": _binary("Add"),
    **dict.fromkeys(("sub", "rsub"), _binary("Sub")),
    "mul": _binary("Mul"),
    "div": _binary("Div"),
    "cat": _concat,
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "flatten", "squeeze"), _reshape),
    "unsqueeze": _unsqueeze,
    "slice": _slice,
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout"), _dropout),
    **dict.fromkeys(("clone", "contiguous", "alias", "detach", "detach_"), _unary("Identity")),
    **dict.fromkeys(("to", "_to_copy"), _cast),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _softmax),
}
