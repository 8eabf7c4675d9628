"""Least squares behind what was taken out: layers that sum over channels make up for the loss.

Notation
    x, z   what a layer reads at some places of some examples, in the old and in the new network:
           the window around each place for a convolution, (m, D × window), else the channels
           there, (m, C) and (m, D)
    y      what a convolution made of it in the old network, (m, O)
    W      a layer's old weight, V what is left of it
    S      which old channel each new one stands for, (D, C), ones and zeros
    A, b   a prediction from z: z A + b

A convolution's new weight and bias are the ridge regression of y on z that prefers V:
argmin |y - z A - b|² + λ |A - V|². Other layers have their channels predicted, x from z, with S in
place of V, and take the prediction in: their weight becomes A W, and b W joins the bias; so it is
with convolutions whose windows have too many values. Both are found on real activations as in He,
Zhang & Sun 2017 (arXiv:1707.06168, section 3.1), one layer after the other in the order of the
graph, so that each also makes up for what the ones before could not. A layer that gives alone what
it gave to a sum before is fitted to that sum in the same way: it may have been added a moment ago
and be zero, and a ReLU behind nothing but zeros would never learn.

What would join the bias of a layer without one is taken off the running means of the batch norms
that read it; with other readers, A is found for b = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.layers import AbstractConvolution, Array, Axis, BatchNorm, Channels, Dense
from core.layers.windows import volume
from core.morphisms.activations import Rows, groups_of, rows_of, values_of, walk, windows_of
from core.morphisms.reduction import Indices, Reduction, cut, reduced, remaining, selections, sliced

RIDGE = 1e-3  # λ in mean variances of z
FEW = 0.05  # what is added to it for D / m = 1
LARGEST = 1200  # values of a window that is fitted as a whole


def consumed(node: Node) -> int | None:
    """Which axis of the node's weight runs over channels that it sums over; None without one."""
    axes = node.layer.axes.get("weight", ())
    return axes.index(Axis.CONSUMED) if Axis.CONSUMED in axes else None


def carried(
    architecture: Architecture, weights: Weights, reduction: Reduction, x: Array
) -> Weights:
    """The weights of what a reduction leaves, by examples (N, *input_shape)."""
    child, selected = reduced(architecture, reduction), selections(architecture, reduction)
    rest = sliced(architecture, weights, child, selected)
    wanted = _affected(architecture, child, selected)
    whole = frozenset(node_id for node_id in wanted if _is_whole(child, child.node(node_id)))
    heirs = _heirs(architecture, child, reduction)
    sums: dict[int, Array] = {}
    before: dict[int, Rows] = {}
    for node, read in walk(architecture, weights, x, wanted | set(heirs)):
        if node.id in heirs:
            heir = heirs[node.id]
            sums[heir] = values_of(read) - weights[heir].get("bias", 0)
        if node.id in whole - set(heirs.values()):
            sums[node.id] = _sums(node, weights[node.id]["weight"][selected[node.id]], read)
        elif node.id in wanted:
            before[node.id] = rows_of(read, architecture.segments[node.inputs[0]])
    for node, read in walk(child, rest, x, wanted | set(heirs.values())):
        is_free = _is_free(child, node)
        if node.id in sums:
            fitted = _fitted(node, rest[node.id]["weight"], read, sums[node.id], is_free)
            rest |= _settled(child, rest, node, *fitted)
            continue
        source = architecture.node(node.id).inputs[0]
        old, new = architecture.segments[source], child.segments[node.inputs[0]]
        fits = _fits(before[node.id], rows_of(read, new), old, new, selected[source], is_free)
        if sum(fit.new.size for fit in fits) == child.shapes[node.inputs[0]][0]:
            left = cut(weights[node.id], node.layer, {Axis.PRODUCED: selected[node.id]})
            rest |= _settled(child, rest, node, *_folded(node, left["weight"], fits))
    return rest


def _is_free(child: Architecture, node: Node) -> bool:
    """Whether a constant can join the node's sums: in its bias or in the batch norms behind."""
    return "bias" in node.layer.parameter_shapes(child.input_shapes(node)) or bool(
        _norms(child, node)
    )


def _norms(child: Architecture, node: Node) -> list[int]:
    """The batch norms that read the node; none where it has other readers as well."""
    readers = [child.node(reader) for reader in child.readers(node.id)]
    is_normed = all(isinstance(reader.layer, BatchNorm) for reader in readers)
    return [reader.id for reader in readers] if is_normed else []


def _settled(
    child: Architecture, rest: Weights, node: Node, weight: Array, constant: Array
) -> Weights:
    """The parameters by which a node has this weight, and sums that are larger by a constant."""
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


def _affected(
    architecture: Architecture, child: Architecture, selected: Mapping[int, Indices]
) -> frozenset[int]:
    """The summing nodes that read something else than before."""
    changed: dict[int, bool] = {}
    for node in child.nodes:
        before = architecture.node(node.id).inputs
        narrower = any(len(selected[s]) < architecture.shapes[s][0] for s in before)
        others = node.inputs != before or any(changed[source] for source in node.inputs)
        changed[node.id] = narrower or others
    return frozenset(n.id for n in child.nodes if changed[n.id] and consumed(n) is not None)


def _heirs(architecture: Architecture, child: Architecture, reduction: Reduction) -> dict[int, int]:
    """By who reads a sum that is passed by: the layer that is all that is left of it, if it can be
    fitted to the sum and served nothing else."""
    found: dict[int, int] = {}
    left = {node.id for node in child.nodes}
    for node in architecture.nodes:
        if node.layer.channels is not Channels.UNIFIED or node.id in left:
            continue
        source, *others = remaining(node, reduction)
        if others:  # it has gone with what it served
            continue
        readers = [r for r in architecture.readers(node.id) if _reads_first(architecture, r, node)]
        alone = source in left and architecture.readers(source) == (node.id,)
        if alone and readers and _is_small(child, child.node(source)):
            found[readers[0]] = source
    return found


def _reads_first(architecture: Architecture, reader: int, node: Node) -> bool:
    return architecture.node(reader).inputs[0] == node.id


# --- layers whose whole windows are fitted ------------------------------------------------------


def _is_whole(child: Architecture, node: Node) -> bool:
    """Whether the node is a convolution with a window that is small enough."""
    return isinstance(node.layer, AbstractConvolution) and _is_small(child, node)


def _is_small(child: Architecture, node: Node) -> bool:
    """Whether the node sums over a window, or over all that it reads, that is small enough."""
    match node.layer:
        case AbstractConvolution() as layer:
            window = volume(layer.kernel, layer.spatial_axes)
        case Dense():
            window = 1
        case _:
            return False
    return window * child.shapes[node.inputs[0]][0] <= LARGEST


def _sums(node: Node, weight: Array, read: Array) -> Array:
    """What a layer makes of some of its windows, its bias aside.  # shape: (m, O)"""
    sums: Array = windows_of(node, read) @ _matrix(weight)
    return sums


def _fitted(
    node: Node, left: Array, read: Array, sums: Array, is_free: bool
) -> tuple[Array, Array]:
    """The weight, and the constant beside it, by which a layer comes closest to these sums."""
    A, b = _regression(sums, windows_of(node, read), _matrix(left), is_free)
    return A.T.reshape(left.shape), b


def _matrix(weight: Array) -> Array:
    """The weight of a layer by its windows.  # (O, D, *window) -> (D × window, O)"""
    return weight.reshape(len(weight), -1).T.astype(np.float64)


# --- layers whose channels are predicted --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fit:
    """x ≈ z A + b for one group of channels, and where these are on the old and the new axis."""

    A: Array  # (D, C)
    b: Array  # (C,)
    old: Indices  # entries, (C, repeat)
    new: Indices  # (D, repeat)


def _fits(
    before: Rows,
    after: Rows,
    old: tuple[Segment, ...],
    new: tuple[Segment, ...],
    selected: Indices,
    is_free: bool,
) -> list[_Fit]:
    """The predictions of all channels, each group from those that take as many entries each.

    Where flattened values stand for others that are not, channels are not alike: those are left
    out.
    """
    fits, left = [], groups_of(new)
    for repeat, entries in groups_of(old).items():
        remaining = left.get(repeat, np.zeros((0, repeat), np.intp))
        x = before[repeat]
        z = after.get(repeat, x[:, :0])
        S = (selected[remaining[:, :1]] == entries[:, 0]).astype(np.float64)
        if S.sum() == len(S):
            fits.append(_Fit(*_regression(x, z, S, is_free), entries, remaining))
    return fits


def _regression(x: Array, z: Array, S: Array, is_free: bool) -> tuple[Array, Array]:
    """A and b of x ≈ z A + b where A is rather S; S and 0 for activations that overflow.

    b is zero unless it is free.
    """
    mean_x, mean_z = np.zeros(x.shape[1]), np.zeros(z.shape[1])
    if is_free:
        mean_x, mean_z = x.mean(axis=0), z.mean(axis=0)
    x, z = x - mean_x, z - mean_z
    G = z.T @ z / len(z)
    ridge = (RIDGE + FEW * len(G) / len(z)) * float(np.trace(G)) / max(len(G), 1)
    ridge = max(ridge, 1e-12)
    A = np.linalg.solve(G + ridge * np.eye(len(G)), z.T @ x / len(z) + ridge * S)
    if not np.isfinite(A).all():
        return S, np.zeros(len(mean_x))
    return A, mean_x - mean_z @ A


def _folded(node: Node, old: Array, fits: list[_Fit]) -> tuple[Array, Array]:
    """The weight that takes z for x, and the constant that belongs to it."""
    place = node.layer.axes["weight"].index(Axis.CONSUMED)
    weight = np.moveaxis(old, place, -1)
    folded = np.zeros((*weight.shape[:-1], sum(fit.new.size for fit in fits)))
    constant = np.zeros(len(old))
    fixed = tuple(range(1, weight.ndim - 1))
    for fit in fits:
        part = weight[..., fit.old]  # (..., C, repeat)
        folded[..., fit.new] = np.einsum("...cr,dc->...dr", part, fit.A)
        constant += (part.sum(axis=-1) @ fit.b).sum(axis=fixed)
    return np.ascontiguousarray(np.moveaxis(folded, -1, place)), constant
