"""Least squares behind what was taken out: layers that sum over channels make up for the loss.

Notation
    x      what a layer read in the old network at some places of some examples, (m, C)
    z      what it reads in the new one at the same places, (m, D)
    S      which old channel each new one stands for, (D, C), ones and zeros
    A, b   the prediction of x from z: z A + b, (D, C) and (C,)
    W      the layer's old weight; the new one is A W, and b W joins the bias

A is the ridge regression that prefers S: argmin |x - z A - b|² + λ |A - S|². It is found on real
activations as in He, Zhang & Sun 2017 (arXiv:1707.06168, section 3.1), one layer after the other
in the order of the graph, so that each also makes up for what the ones before could not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.architecture import Architecture, Node
from core.layers import Array, Axis
from core.morphisms.abstract import dtype_of
from core.morphisms.reduction import Indices, Reduction, cut, reduced, selections, sliced
from core.segments import Segment
from core.weights import Weights

RIDGE = 1e-3  # λ in mean variances of z
FEW = 0.05  # what is added to it for D / m = 1
ROWS = 8192  # of x and z at most
EFFORT = 2e9  # FLOPs that a forward pass of the examples may cost
EXAMPLES = (32, 256)  # least and most
NOISE_EXAMPLES = 64  # most, where there is nothing real to look at
_CHUNK = 32  # examples at a time


Rows = dict[int, Array]  # repeat of a group of channels -> their values, (m, channels)


def probe_of(
    architecture: Architecture, weights: Weights, rng: np.random.Generator, probe: Array | None
) -> Array:
    """Examples to look at, as many as the effort allows: some of the probe, else noise."""
    least, most = EXAMPLES
    count = int(np.clip(EFFORT / max(architecture.flops, 1), least, most))
    if probe is None:
        probe = rng.standard_normal((min(count, NOISE_EXAMPLES), *architecture.input_shape))
    places = np.linspace(0, len(probe) - 1, min(count, len(probe))).astype(np.intp)
    return probe[places].astype(dtype_of(weights))


def consumed(node: Node) -> int | None:
    """Which axis of the node's weight runs over channels that it sums over; None without one."""
    axes = node.layer.axes.get("weight", ())
    return axes.index(Axis.CONSUMED) if Axis.CONSUMED in axes else None


def observed(
    architecture: Architecture, weights: Weights, x: Array, wanted: frozenset[int]
) -> dict[int, Rows]:
    """What the wanted nodes read at some places of the examples."""
    seen: dict[int, Rows] = {}
    for node, read in _walk(architecture, weights, x):
        if node.id in wanted:
            seen[node.id] = _rows(read, architecture.segments[node.inputs[0]])
            if len(seen) == len(wanted):
                break
    return seen


def carried(
    architecture: Architecture, weights: Weights, reduction: Reduction, x: Array
) -> Weights:
    """The weights of what a reduction leaves, by examples (N, *input_shape)."""
    child, selected = reduced(architecture, reduction), selections(architecture, reduction)
    rest = sliced(architecture, weights, child, selected)
    wanted = _affected(architecture, child, selected)
    before = observed(architecture, weights, x, wanted)
    for node, read in _walk(child, rest, x):
        if node.id in wanted:
            source = architecture.node(node.id).inputs[0]
            old, new = architecture.segments[source], child.segments[node.inputs[0]]
            fits = _fits(before[node.id], _rows(read, new), old, new, selected[source])
            if sum(fit.new.size for fit in fits) == child.shapes[node.inputs[0]][0]:
                whole = cut(weights[node.id], node.layer, {Axis.PRODUCED: selected[node.id]})
                rest[node.id] = _folded(node, whole, fits)
    return rest


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
            fits.append(_Fit(*_regression(x, z, S), entries, remaining))
    return fits


def _regression(x: Array, z: Array, S: Array) -> tuple[Array, Array]:
    """A and b; S and 0 for activations that overflow."""
    mean_x, mean_z = x.mean(axis=0), z.mean(axis=0)
    x, z = x - mean_x, z - mean_z
    G = z.T @ z / len(z)
    ridge = (RIDGE + FEW * len(G) / len(z)) * float(np.trace(G)) / max(len(G), 1)
    ridge = max(ridge, 1e-12)
    A = np.linalg.solve(G + ridge * np.eye(len(G)), z.T @ x / len(z) + ridge * S)
    if not np.isfinite(A).all():
        return S, np.zeros(len(mean_x))
    return A, mean_x - mean_z @ A


def _folded(node: Node, old: Mapping[str, Array], fits: list[_Fit]) -> dict[str, Array]:
    """The parameters that take z for x."""
    place = node.layer.axes["weight"].index(Axis.CONSUMED)
    weight = np.moveaxis(old["weight"], place, -1)
    folded = np.zeros((*weight.shape[:-1], sum(fit.new.size for fit in fits)))
    bias = old["bias"].astype(np.float64)
    fixed = tuple(range(1, weight.ndim - 1))
    for fit in fits:
        part = weight[..., fit.old]  # (..., C, repeat)
        folded[..., fit.new] = np.einsum("...cr,dc->...dr", part, fit.A)
        bias += (part.sum(axis=-1) @ fit.b).sum(axis=fixed)
    back = np.ascontiguousarray(np.moveaxis(folded, -1, place))
    return {"weight": back.astype(weight.dtype), "bias": bias.astype(weight.dtype)}


def groups_of(segments: tuple[Segment, ...]) -> dict[int, Indices]:
    """The entries of each channel, by how many each takes: repeat -> (channels, repeat)."""
    found: dict[int, list[Indices]] = {}
    start = 0
    for segment in segments:
        entries = np.arange(start, start + segment.length).reshape(segment.width, segment.repeat)
        found.setdefault(segment.repeat, []).append(entries)
        start += segment.length
    return {repeat: np.concatenate(parts) for repeat, parts in found.items()}


def _rows(value: Array, segments: tuple[Segment, ...]) -> Rows:
    """Values of each group at the same places whatever the channels: (N, F, ...) -> (m, C)."""
    rows = {}
    for repeat, entries in groups_of(segments).items():
        shape = (len(value), repeat, *value.shape[2:])
        total = int(np.prod(shape))
        places = np.linspace(0, total - 1, min(total, ROWS)).astype(np.intp)
        example, part, *where = (index[:, None] for index in np.unravel_index(places, shape))
        chosen = value[(example, entries.T[part[:, 0]], *where)]
        rows[repeat] = chosen.astype(np.float64)
    return rows


def _walk(architecture: Architecture, weights: Weights, x: Array) -> Iterator[tuple[Node, Array]]:
    """Each node with the first of its inputs, just before its layer is computed."""
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    for node in others:
        inputs = [values[source] for source in node.inputs]
        yield node, inputs[0]
        parameters = weights.get(node.id, {})
        with np.errstate(all="ignore"):
            parts = [
                node.layer.forward(parameters, [one[start : start + _CHUNK] for one in inputs])
                for start in range(0, len(x), _CHUNK)
            ]
        values[node.id] = np.concatenate(parts)
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]
