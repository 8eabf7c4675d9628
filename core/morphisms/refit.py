"""Least squares after a reduction: layers that sum over channels make up for the removed ones.

Notation
    x, z   a layer's input at some positions of some examples, in the old and in the new network:
           the window around each position for a convolution, (m, D × window), else the channels
           there, (m, C) and (m, D)
    y      the output of a convolution in the old network without its bias, (m, O)
    W, V   a layer's old weight, and its remaining part
    S      S_ij = 1 if the new channel i is the old channel j, else 0, (D, C)
    A, b   a linear prediction from z: z A + b
    λ      ridge penalty, see RIDGE and FEW_ROWS_RIDGE

A convolution's new weight and bias are the ridge regression of y on z that is drawn towards V:
argmin |y - z A - b|² + λ |A - V|². Other layers, and convolutions whose windows have too many
values, predict their old input x from z, with S instead of V. They absorb the prediction: the
weight becomes A W, and b W is added to the bias. Both regressions use real activations as in He,
Zhang & Sun 2017 (arXiv:1707.06168, section 3.1). Layers are fitted in the order of the graph, so
that each one also makes up for the remaining errors of those before it.

The last remaining branch of a sum is refitted to the sum in the same way. It may have been added
recently and still be zero, and a ReLU behind zeros alone would never learn.

A layer without a bias adds the constant to the batch norms that read it, by subtracting it from
their running means. If it has other readers, A is found for b = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.layers import AbstractConvolution, Array, Axis, BatchNorm, Channels, Dense
from core.layers.windows import window_size
from core.morphisms.activations import (
    Rows,
    group_entries,
    sample_rows,
    sample_values,
    sample_windows,
    walk,
)
from core.morphisms.reduction import (
    Indices,
    Reduction,
    cut,
    reduce_architecture,
    remaining,
    selections,
    slice_weights,
)

RIDGE = 1e-3  # part of λ, in mean variances of z
FEW_ROWS_RIDGE = 0.05  # part of λ, in mean variances of z, times D / m
MAX_WINDOW_VALUES = 1200  # D × window, for a regression on windows


def consumed(node: Node) -> int | None:
    """The axis of the node's weight over whose channels the node sums; None if there is none."""
    axes = node.layer.axes.get("weight", ())
    return axes.index(Axis.CONSUMED) if Axis.CONSUMED in axes else None


@dataclass(frozen=True, slots=True)
class _Change:
    """A network, and the architecture that a reduction leaves of it."""

    architecture: Architecture
    weights: Weights
    child: Architecture
    selected: Mapping[int, Indices]  # of `selections`


def refit_weights(
    architecture: Architecture, weights: Weights, reduction: Reduction, x: Array
) -> Weights:
    """The weights after a reduction, fitted to the examples x of shape (N, *input_shape).

    Raises IllegalMorphism if the reduction does not apply.
    """
    child = reduce_architecture(architecture, reduction)
    selected = selections(architecture, reduction)
    change = _Change(architecture, weights, child, selected)
    branches = _last_branches(architecture, child, reduction)
    affected = _affected(change)
    sums, rows = _targets(change, affected, branches, x)
    rest = slice_weights(architecture, weights, child, selected)
    for node, z in walk(child, rest, x, affected | set(branches.values())):
        fitted: tuple[Array, Array] | None
        if node.id in sums:
            fitted = _fit_windows(child, rest, node, z, sums[node.id])
        else:
            fitted = _fit_inputs(change, node, z, rows[node.id])
        if fitted is not None:
            rest |= _with_weight(child, rest, node, *fitted)  # in place: `walk` reads on from it
    return rest


def _targets(
    change: _Change, affected: frozenset[int], branches: Mapping[int, int], x: Array
) -> tuple[dict[int, Array], dict[int, Rows]]:
    """For each node to fit either the sums y, (m, O), or the old inputs x by group, (m, C)."""
    sums: dict[int, Array] = {}
    rows: dict[int, Rows] = {}
    architecture, weights = change.architecture, change.weights
    for node, read in walk(architecture, weights, x, affected | set(branches)):
        if node.id in branches:
            branch = branches[node.id]
            sums[branch] = sample_values(read) - weights[branch].get("bias", 0)
        if node.id not in affected or node.id in branches.values():
            continue
        if _is_fitted_by_windows(change.child, change.child.node(node.id)):
            kept = weights[node.id]["weight"][change.selected[node.id]]
            sums[node.id] = _window_sums(node, kept, read)
        else:
            rows[node.id] = sample_rows(read, architecture.segments[node.inputs[0]])
    return sums, rows


def _takes_constant(child: Architecture, node: Node) -> bool:
    """Whether a constant can be added to the node's sums: to its bias, or in the batch norms."""
    has_bias = "bias" in node.layer.parameter_shapes(child.input_shapes(node))
    return has_bias or bool(_norms(child, node))


def _norms(child: Architecture, node: Node) -> list[int]:
    """The ids of the batch norms that read the node; none if it has other readers as well."""
    readers = [child.node(reader) for reader in child.readers(node.id)]
    is_normed = all(isinstance(reader.layer, BatchNorm) for reader in readers)
    return [reader.id for reader in readers] if is_normed else []


def _with_weight(
    child: Architecture, rest: Weights, node: Node, weight: Array, constant: Array
) -> Weights:
    """The changed parameters that give a node this weight and add a constant to its sums."""
    old = rest[node.id]
    dtype = old["weight"].dtype
    changed = {node.id: old | {"weight": weight.astype(dtype)}}
    if "bias" in old:
        changed[node.id]["bias"] = (old["bias"] + constant).astype(dtype)
        return changed
    for norm in _norms(child, node):
        mean = rest[norm]["running_mean"] - constant
        changed[norm] = rest[norm] | {"running_mean": mean.astype(dtype)}
    return changed


def _affected(change: _Change) -> frozenset[int]:
    """The nodes that sum over channels and whose inputs have changed."""
    architecture, child = change.architecture, change.child
    changed: dict[int, bool] = {}
    for node in child.nodes:
        before = architecture.node(node.id).inputs
        is_narrower = any(len(change.selected[s]) < architecture.shapes[s][0] for s in before)
        is_other = node.inputs != before or any(changed[source] for source in node.inputs)
        changed[node.id] = is_narrower or is_other
    return frozenset(n.id for n in child.nodes if changed[n.id] and consumed(n) is not None)


def _last_branches(
    architecture: Architecture, child: Architecture, reduction: Reduction
) -> dict[int, int]:
    """The last remaining branch of each bypassed sum, by the first reader of the sum.

    Only branches that can be fitted to the sum and that no other node read are included.
    """
    branches: dict[int, int] = {}
    left = {node.id for node in child.nodes}
    for node in architecture.nodes:
        if node.layer.channels is not Channels.UNIFIED or node.id in left:
            continue
        source, *others = remaining(node, reduction)
        if others:  # the sum was removed together with its readers
            continue
        readers = [r for r in architecture.readers(node.id) if _reads_first(architecture, r, node)]
        is_unshared = source in left and architecture.readers(source) == (node.id,)
        if is_unshared and readers and _has_small_window(child, child.node(source)):
            branches[readers[0]] = source
    return branches


def _reads_first(architecture: Architecture, reader: int, node: Node) -> bool:
    return architecture.node(reader).inputs[0] == node.id


# --- regression on windows ----------------------------------------------------------------------


def _is_fitted_by_windows(child: Architecture, node: Node) -> bool:
    """Whether the node is a convolution whose windows are small enough for a regression."""
    return isinstance(node.layer, AbstractConvolution) and _has_small_window(child, node)


def _has_small_window(child: Architecture, node: Node) -> bool:
    """Whether each sum of the node has at most `MAX_WINDOW_VALUES` terms."""
    match node.layer:
        case AbstractConvolution() as layer:
            window = window_size(layer.kernel, layer.spatial_axes)
        case Dense():
            window = 1
        case _:
            return False
    return window * child.shapes[node.inputs[0]][0] <= MAX_WINDOW_VALUES


def _window_sums(node: Node, weight: Array, read: Array) -> Array:
    """The sums y of a layer for sampled windows of its input.  # shape: (m, O)"""
    sums: Array = sample_windows(node, read) @ _matrix(weight)
    return sums


def _fit_windows(
    child: Architecture, rest: Weights, node: Node, read: Array, sums: Array
) -> tuple[Array, Array]:
    """The weight and the constant, (O,), with which a layer comes closest to the sums y."""
    V, is_free = rest[node.id]["weight"], _takes_constant(child, node)
    A, b = _regression(sums, sample_windows(node, read), _matrix(V), is_free)
    return A.T.reshape(V.shape), b


def _matrix(weight: Array) -> Array:
    """The weight of a layer as a matrix: (O, D, *window) -> (D × window, O)"""
    return weight.reshape(len(weight), -1).T.astype(np.float64)


# --- regression on channels ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fit:
    """The prediction x ≈ z A + b of one group of channels, and their entries on both axes."""

    A: Array  # shape: (D, C)
    b: Array  # shape: (C,)
    old: Indices  # entries of the old axis; shape: (C, repeat)
    new: Indices  # entries of the new axis; shape: (D, repeat)


def _fit_inputs(
    change: _Change, node: Node, read: Array, before: Rows
) -> tuple[Array, Array] | None:
    """The weight and the constant, (O,), of a layer that predicts its old inputs from the new ones.

    None if some new channels have no old counterpart: flattened channels that replace plain ones.
    """
    architecture, child = change.architecture, change.child
    source = architecture.node(node.id).inputs[0]
    segments = architecture.segments[source], child.segments[node.inputs[0]]
    after, is_free = sample_rows(read, segments[1]), _takes_constant(child, node)
    fits = _fit_channels(before, after, segments, change.selected[source], is_free)
    if sum(fit.new.size for fit in fits) != child.shapes[node.inputs[0]][0]:
        return None
    kept = {Axis.PRODUCED: change.selected[node.id]}
    return _fold(node, cut(change.weights[node.id], node.layer, kept)["weight"], fits)


def _fit_channels(
    before: Rows,
    after: Rows,
    segments: tuple[tuple[Segment, ...], tuple[Segment, ...]],  # of the old and the new axis
    selected: Indices,
    is_free: bool,
) -> list[_Fit]:
    """The predictions of all groups, each from the new channels with equally many entries."""
    old, new = map(group_entries, segments)
    fits = []
    for repeat, entries in old.items():
        kept = new.get(repeat, np.zeros((0, repeat), np.intp))
        x = before[repeat]
        z = after.get(repeat, x[:, :0])
        S = (selected[kept[:, :1]] == entries[:, 0]).astype(np.float64)
        if S.sum() == len(S):
            fits.append(_Fit(*_regression(x, z, S, is_free), entries, kept))
    return fits


def _regression(x: Array, z: Array, S: Array, is_free: bool) -> tuple[Array, Array]:
    """A and b of x ≈ z A + b, with A drawn towards S; b is zero unless it is free.

    S and zero if activations overflow.
    """
    mean_x, mean_z = np.zeros(x.shape[1]), np.zeros(z.shape[1])
    if is_free:
        mean_x, mean_z = x.mean(axis=0), z.mean(axis=0)
    x, z = x - mean_x, z - mean_z
    G = z.T @ z / len(z)
    ridge = (RIDGE + FEW_ROWS_RIDGE * len(G) / len(z)) * float(np.trace(G)) / max(len(G), 1)
    ridge = max(ridge, 1e-12)
    A = np.linalg.solve(G + ridge * np.eye(len(G)), z.T @ x / len(z) + ridge * S)
    if not np.isfinite(A).all():
        return S, np.zeros(len(mean_x))
    return A, mean_x - mean_z @ A


def _fold(node: Node, old: Array, fits: list[_Fit]) -> tuple[Array, Array]:
    """The weight A W for z instead of x, and the constant b W, (O,)"""
    axis = node.layer.axes["weight"].index(Axis.CONSUMED)
    weight = np.moveaxis(old, axis, -1)
    folded = np.zeros((*weight.shape[:-1], sum(fit.new.size for fit in fits)))
    constant = np.zeros(len(old))
    fixed = tuple(range(1, weight.ndim - 1))
    for fit in fits:
        part = weight[..., fit.old]  # (..., C, repeat)
        folded[..., fit.new] = np.einsum("...cr,dc->...dr", part, fit.A)
        constant += (part.sum(axis=-1) @ fit.b).sum(axis=fixed)
    return np.ascontiguousarray(np.moveaxis(folded, -1, axis)), constant
