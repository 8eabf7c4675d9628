"""Convolutions and pools."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from netmorph.errors import UnsupportedOperation
from netmorph.importing.conversion import Conversion
from netmorph.importing.frames import Axis, Window, convolved, pooled
from netmorph.importing.graph import Array
from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value
from netmorph.importing.vectors import dense, flat, with_bias
from netmorph.importing.windows import in_words, slices, windows_of

#: Said of the first convolution or pool whose output is smaller than ours.
_FRAME = "and what follows keep a border here, which the classifier ignores at the start"
_NO_WINDOWS = (
    "there is no layer of ours with windows of {windows}; expected the same size and stride along "
    "both axes, and padding at the border alone"
)
_IN_FRAME = (
    "its windows of {windows} end beyond the values of an earlier convolution that is not padded; "
    "ours is padded and has more values there; expected padding of half the kernel in that "
    "convolution, or an export for images of other sides"
)
_UNEQUAL = (
    "it counts zeros around its input and has incomplete windows; expected equal padding at all "
    "sides, count_include_pad=False or ceil_mode=False"
)


def convolution(c: Conversion, node: Operation) -> Value:
    value, weight, bias = c.value(node.inputs[0], node), c.needed(node, 1), c.bias(node)
    group = int(node.attributes.get("group", 1))
    channels = value.shape[0]
    if weight.ndim != len(value.shape) + 1 or weight.shape[1] * group != channels:
        raise unsupported(
            node, f"its kernels have shape {weight.shape} for an input of {value.shape}"
        )
    if value.is_vector and not value.pads:
        return _of_one_position(c, node, value, weight, bias, group)
    windows = windows_of(node, value, weight.shape[2:], weight=True)
    found = convolved(value.axes, windows)
    if found is None:
        raise _no_windows(node, value, windows)
    if group == channels == weight.shape[0] and group > 1:
        kind, fields = "depthwise_conv", {}
    else:
        weight = _dense_kernels(c, node, weight, group)
        kind, fields = "conv", {"filters": len(weight)}
    kernels = np.zeros((*weight.shape[:2], *[found.kernel] * len(value.axes)))
    kernels[:, :, *slices(weight.shape[2:], found.offsets, node)] = weight
    _note_frame(c, node, found.axes)
    parameters, has_bias = with_bias({"weight": kernels}, bias)
    made = c.graph.add(
        f"{kind}{len(value.axes)}d",
        (value.node,),
        parameters,
        **fields,
        kernel=found.kernel,
        stride=windows[0].stride,
        **has_bias,
    )
    return Value(made, (len(weight), *[axis.length for axis in found.axes]), found.axes)


def _dense_kernels(c: Conversion, node: Operation, weight: Array, group: int) -> Array:
    """The kernels of a grouped convolution over all channels, zero outside of their group."""
    if group == 1:
        return weight
    filters, of_group = weight.shape[:2]
    if filters % group:
        raise unsupported(node, f"{filters} filters in {group} groups")
    c.notes.append(
        f"{node}: its {group} groups become one convolution with zeros between the groups"
    )
    kernels = np.zeros((filters, of_group * group, *weight.shape[2:]))
    for index, kernel in enumerate(weight):
        start = index // (filters // group) * of_group
        kernels[index, start : start + of_group] = kernel
    return kernels


def _of_one_position(
    c: Conversion, node: Operation, value: Value, weight: Array, bias: Array | None, group: int
) -> Value:
    """A convolution behind a global pool: a dense layer."""
    if prod(weight.shape[2:]) != 1 or value.flattened:
        raise unsupported(node, "its input has one position; expected kernels of size 1")
    matrix = _dense_kernels(c, node, weight, group).reshape(len(weight), -1)
    return replace(dense(c, value, matrix, bias), shape=(len(weight), *[1] * (weight.ndim - 2)))


def pool(c: Conversion, node: Operation) -> Value:
    value = c.plain(node)
    sizes = node.attributes.get("kernel_shape", ())
    if len(sizes) != len(value.axes) or not sizes:
        raise unsupported(node, f"its input has shape {value.shape}")
    windows = windows_of(node, value, sizes, weight=False)
    return _pooled(c, node, value, windows)


def _pooled(c: Conversion, node: Operation, value: Value, windows: tuple[Window, ...]) -> Value:
    windows = tuple(w.complete(a.length) for a, w in zip(value.axes, windows, strict=True))
    found = pooled(value.axes, windows) if len({w.size for w in windows}) == 1 else None
    if found is None:
        raise _no_windows(node, value, windows)
    fields: dict[str, Any] = {"padding": found.padding} if found.padding else {}
    kind = "max_pool" if node.kind == "MaxPool" else "avg_pool"
    if kind == "avg_pool" and _counts_padding(node, value, windows, found.padding):
        fields["count_include_pad"] = True
    if found.ceil:
        fields["ceil_mode"] = True
    _note_frame(c, node, found.axes)
    made = c.graph.add(
        f"{kind}{len(value.axes)}d",
        (value.node,),
        size=windows[0].size,
        stride=windows[0].stride,
        **fields,
    )
    return Value(made, (value.shape[0], *[axis.length for axis in found.axes]), found.axes)


def _no_windows(node: Operation, value: Value, windows: tuple[Window, ...]) -> UnsupportedOperation:
    fits = all(w.fits(axis) for axis, w in zip(value.axes, windows, strict=True))
    reason = _NO_WINDOWS if fits else _IN_FRAME
    return unsupported(node, reason.format(windows=in_words(windows)))


def _counts_padding(
    node: Operation, value: Value, windows: tuple[Window, ...], padding: int
) -> bool:
    """Whether zeros around the input count in the means.

    Positions that an incomplete window lacks behind the padding never count, so that the padding
    of ours must then end where the user's does.
    """
    if not node.attributes.get("count_include_pad"):
        return False
    if not any(window.ceil for window in windows):
        return any(any(w.pads(axis)) for axis, w in zip(value.axes, windows, strict=True))
    pads = {end for window in windows for end in (window.before, window.after)}
    if not pads <= {0} and pads != {padding}:
        raise unsupported(node, _UNEQUAL)
    return pads != {0}


def _note_frame(c: Conversion, node: Operation, axes: tuple[Axis, ...]) -> None:
    if any(axis.is_framed for axis in axes) and not any(n.endswith(_FRAME) for n in c.notes):
        c.notes.append(f"{node} {_FRAME}")


def global_pool(c: Conversion, node: Operation) -> Value:
    return _global_pool(c, node, c.plain(node), keep=True)


def mean(c: Conversion, node: Operation) -> Value:
    """A mean over all spatial axes."""
    value = c.plain(node)
    axes = node.attributes.get("axes")
    if axes is None:
        constant = c.constant(node, 1)
        axes = () if constant is None else tuple(constant.reshape(-1).tolist())
    rank = len(value.shape) + 1
    if value.is_vector or sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise unsupported(
            node, f"it is over the axes {list(axes)} of {rank}; expected all spatial axes"
        )
    return _global_pool(c, node, value, keep=bool(node.attributes.get("keepdims", 1)))


def _global_pool(c: Conversion, node: Operation, value: Value, *, keep: bool) -> Value:
    if value.is_vector:
        raise unsupported(node, f"its input has shape {value.shape}; expected spatial axes")
    shape = (value.shape[0], *[1] * len(value.axes))
    if not value.is_framed:
        made = c.graph.add(f"global_avg_pool{len(value.axes)}d", (value.node,))
        return Value(made, shape if keep else shape[:1])
    stride = max(1, *[axis.before for axis in value.axes])
    windows = tuple(Window(axis.length, stride, 0, 0) for axis in value.axes)
    found = _pooled(c, node, value, windows)
    return found if keep else flat(c, found)


def pad(c: Conversion, node: Operation) -> Value:
    """Zeros around an image, for the convolution behind it."""
    value, given, number = c.plain(node), c.constant(node, 1), c.constant(node, 2)
    pads = node.attributes.get("pads") or ([] if given is None else given.reshape(-1).tolist())
    rank = len(value.shape) + 1
    sides = [(int(a), int(b)) for a, b in zip(pads[:rank], pads[rank:], strict=False)]
    are_zeros = node.attributes.get("mode", "constant") == "constant" and (
        number is None or not number.any()
    )
    fits = len(pads) == 2 * rank and not np.any(sides[:2]) and np.min(sides) >= 0
    if len(node.inputs) > 3 or not (are_zeros and fits) or value.is_vector:
        raise unsupported(node, "expected zeros along the spatial axes")
    return replace(value, pads=tuple(sides[2:])) if np.any(sides) else value
