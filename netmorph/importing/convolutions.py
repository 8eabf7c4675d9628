"""Convolutions and pools."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any

import numpy as np

from netmorph.importing.conversion import Conversion
from netmorph.importing.graph import Array
from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value
from netmorph.importing.vectors import dense, with_bias
from netmorph.importing.windows import (
    MOST_KERNEL,
    Window,
    common_stride,
    in_words,
    kernel_around,
    one_or_each,
    pool_fields,
    slices,
    windows_of,
)

_NO_WINDOWS = (
    "there is no layer of ours with windows of {windows}; expected a value of the input in each "
    "window"
)
_NO_KERNEL = (
    "there is no convolution of ours with windows of {windows}; expected kernels of at most "
    f"{MOST_KERNEL} positions that fit into the input"
)
_UNEQUAL = (
    "it counts zeros around its input and has incomplete windows; expected equal padding at all "
    "sides, count_include_pad=False or ceil_mode=False"
)
_TWO_PADDINGS = (
    "it does not count its own padding, but the zeros of a Pad before it; expected one of both"
)
_ZEROS_AMONG = (
    "it takes the largest of the zeros of a Pad before it and of values that may be negative; "
    "expected a Relu before the Pad, or the padding in the pool"
)


def convolution(c: Conversion, node: Operation) -> Value:
    value, weight, bias = c.image(node), c.needed(node, 1), c.bias(node)
    group = int(node.attributes.get("group", 1))
    channels = value.shape[0]
    if weight.ndim != len(value.shape) + 1 or weight.shape[1] * group != channels:
        raise unsupported(
            node, f"its kernels have shape {weight.shape} for an input of {value.shape}"
        )
    if value.is_vector:
        return _of_one_position(c, node, value, weight, bias, group)
    windows = windows_of(node, value, weight.shape[2:], weight=True)
    closer, steps = common_stride(windows)
    found = kernel_around(closer)
    if found is None:
        raise unsupported(node, _NO_KERNEL.format(windows=in_words(windows)))
    if value.filling:
        raise unsupported(node, "a Pad before it adds other numbers than zeros; expected zeros")
    kind, fields = "depthwise_conv", dict[str, Any]()
    if not group == channels == weight.shape[0] or group == 1:
        weight = _dense_kernels(c, node, weight, group)
        kind, fields = "conv", {"filters": len(weight)}
    if found.pads:
        fields["pads"] = list(found.pads)
    kernels = np.zeros((*weight.shape[:2], *[found.size] * len(value.sides)))
    kernels[:, :, *slices(weight.shape[2:], found.offsets, node)] = weight
    parameters, has_bias = with_bias({"weight": kernels}, bias)
    made = c.graph.add(
        f"{kind}{len(value.sides)}d",
        (value.node,),
        parameters,
        **fields,
        kernel=found.size,
        stride=closer[0].stride,
        **has_bias,
    )
    if len(set(steps)) > 1:  # ours have one stride for all axes
        made = c.graph.add(f"max_pool{len(steps)}d", (made,), size=1, stride=[*steps])
    return _of_windows(made, len(weight), windows)


def _of_windows(made: int, channels: int, windows: tuple[Window, ...]) -> Value:
    """The output of a layer with these windows."""
    sides = tuple(window.count for window in windows)
    return Value(made, (channels, *sides), sides)


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
    if prod(weight.shape[2:]) != 1:
        raise unsupported(node, "its input has one position; expected kernels of size 1")
    matrix = _dense_kernels(c, node, weight, group).reshape(len(weight), -1)
    return replace(dense(c, value, matrix, bias), shape=(len(weight), *[1] * (weight.ndim - 2)))


def pool(c: Conversion, node: Operation) -> Value:
    value = c.image(node)
    sizes = node.attributes.get("kernel_shape", ())
    if len(sizes) != len(value.sides) or not sizes:
        raise unsupported(node, f"its input has shape {value.shape}")
    windows = windows_of(node, value, sizes, weight=False)
    is_max = node.kind == "MaxPool"
    counted = not is_max and _counts_padding(node, value, windows)
    if is_max and value.pads and value.filling == 0 and not c.graph.is_nonnegative(value.node):
        raise unsupported(node, _ZEROS_AMONG)
    fields = pool_fields(windows, counted=counted)
    if fields is None:
        is_unequal = counted and any(window.is_incomplete for window in windows)
        reason = _UNEQUAL if is_unequal else _NO_WINDOWS
        raise unsupported(node, reason.format(windows=in_words(windows)))
    kind = "max_pool" if is_max else "avg_pool"
    made = c.graph.add(f"{kind}{len(value.sides)}d", (value.node,), **fields)
    return _of_windows(made, value.shape[0], windows)


def _counts_padding(node: Operation, value: Value, windows: tuple[Window, ...]) -> bool:
    """Whether padding counts as zeros in the means of a pool; that of a Pad before it does."""
    counts = bool(node.attributes.get("count_include_pad"))
    if not value.pads:
        return counts
    if value.filling:
        raise unsupported(node, "a Pad before it adds other numbers than zeros; expected zeros")
    added = [(before, after) for before, after in value.pads]
    if not counts and [(w.before, w.after) for w in windows] != added:
        raise unsupported(node, _TWO_PADDINGS)
    return True


def global_pool(c: Conversion, node: Operation) -> Value:
    is_max = node.kind == "GlobalMaxPool"
    return _global_pool(c, node, c.plain(node), keep=True, is_max=is_max)


def mean(c: Conversion, node: Operation) -> Value:
    """A mean over all spatial axes, or over one that keeps its place."""
    value, axes = c.of_any_layout(node), _axes(c, node)
    rank, keep = len(value.shape) + 1, bool(node.attributes.get("keepdims", 1))
    found, spatial = {axis % rank for axis in axes}, value.spatial_axes
    if value.is_vector or not found or not found <= spatial or not (keep or found == spatial):
        raise unsupported(
            node,
            f"it is over the axes {list(axes)} of {rank}; expected all spatial axes, or one that "
            "is kept with length 1",
        )
    if found != spatial:
        return _mean_of_one_axis(c, value, [axis in found for axis in sorted(spatial)])
    return _global_pool(c, node, value, keep=keep)


def largest(c: Conversion, node: Operation) -> Value:
    """The largest value of each channel."""
    value, axes = c.of_any_layout(node), _axes(c, node)
    rank = len(value.shape) + 1
    if value.is_vector or {axis % rank for axis in axes} != value.spatial_axes:
        raise unsupported(
            node, f"it is over the axes {list(axes)} of {rank}; expected all spatial axes"
        )
    keep = bool(node.attributes.get("keepdims", 1))
    return _global_pool(c, node, value, keep=keep, is_max=True)


def _axes(c: Conversion, node: Operation) -> tuple[int, ...]:
    """The axes of a reduction, an attribute or a constant input."""
    axes = node.attributes.get("axes")
    constant = c.constant(node, 1) if axes is None else None
    return tuple(axes or ()) if constant is None else tuple(constant.reshape(-1).tolist())


def _mean_of_one_axis(c: Conversion, value: Value, is_averaged: Sequence[bool]) -> Value:
    """The means along some of the spatial axes, which keep their place with length 1."""
    axes = [*zip(value.sides, is_averaged, strict=True)]
    sizes = one_or_each([side if averaged else 1 for side, averaged in axes])
    sides = tuple(1 if averaged else side for side, averaged in axes)
    made = c.graph.add(f"avg_pool{len(sides)}d", (value.node,), size=sizes, stride=sizes)
    return replace(value, node=made, shape=(value.shape[0], *sides), sides=sides)


def _global_pool(
    c: Conversion, node: Operation, value: Value, *, keep: bool, is_max: bool = False
) -> Value:
    if value.is_vector:
        raise unsupported(node, f"its input has shape {value.written_shape}; expected spatial axes")
    shape = (value.shape[0], *[1] * len(value.sides))
    if is_max:
        sizes = one_or_each(value.sides)
        kind = f"max_pool{len(value.sides)}d"
        window = c.graph.add(kind, (value.node,), size=sizes, stride=sizes)
        made = c.graph.add("flatten", (window,))
    else:
        made = c.graph.add(f"global_avg_pool{len(value.sides)}d", (value.node,))
    return Value(made, shape, channels_last=value.channels_last) if keep else Value(made, shape[:1])


def pad(c: Conversion, node: Operation) -> Value:
    """More positions around an image, for the convolution or pool behind it.

    They are zeros, or minus infinity for a max pool.
    """
    value, given, number = c.of_any_layout(node), c.constant(node, 1), c.constant(node, 2)
    pads = node.attributes.get("pads") or ([] if given is None else given.reshape(-1).tolist())
    rank = len(value.shape) + 1
    sides = [(int(a), int(b)) for a, b in zip(pads[:rank], pads[rank:], strict=False)]
    if value.channels_last:
        sides = [sides[0], sides[-1], *sides[1:-1]]
    filling = 0.0 if number is None else float(number.reshape(()))
    is_constant = node.attributes.get("mode", "constant") == "constant"
    fits = len(pads) == 2 * rank and not np.any(sides[:2]) and np.min(sides) >= 0
    if len(node.inputs) > 3 or not (is_constant and fits) or value.is_vector:
        raise unsupported(node, "expected zeros along the spatial axes")
    if filling not in (0.0, -inf):
        raise unsupported(node, f"it adds {filling:g}; expected zeros, or -inf before a MaxPool")
    return replace(value, pads=tuple(sides[2:]), filling=filling) if np.any(sides) else value
