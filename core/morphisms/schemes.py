"""The two schemes by which new channels preserve the function, and when each is used.

*Zeros*: the new channels get new initial weights, and the layers that sum over them start with
zero weights for them. Nothing changes, in training mode neither. The zeros get a gradient at the
first step, the weights before them from the second step on. (With the zeros before and the initial
weights behind, the channels would stay at zero, where a ReLU passes no gradient.)

*Copies* (Net2WiderNet: Chen, Goodfellow & Shlens 2016, arXiv:1511.05641, section 2.2): each new
channel copies an old one, and the layers that sum over it divide the old weight among the copies.
The shares are unequal, with noise that cancels within each group of copies, so that copies get
different gradients from the first step on.

Zeros are the rule: new channels can differ from the old ones at once, and networks that grew this
way had the lower validation loss after five epochs. Copies are used where a dropout drops channels
independently. There, copies stand in for each other when one is dropped, so the training error is
lower from the start; these networks had the lower validation loss. See
`docs/decisions/0015-schemes-of-new-channels.md`.

Notation, for copies
    w      old weight over a channel
    g      size of its group: the old channel and its copies
    w_k    share of copy k: w / g + ε_k; the old channel keeps w - Σ w_k
    ε_k    noise N(0, (NOISE · r)²), where r is the root mean square of the layer's weights
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.layers import Array, Axis, Dropout
from core.morphisms.abstract import dtype_of
from core.morphisms.moments import new_parameters

NOISE = 0.3  # standard deviation of the shares, over the root mean square of the old weights

_Indices = NDArray[np.intp]


def is_dropped(architecture: Architecture, segment: Segment) -> bool:
    """Whether a dropout reads the segment's channels before a layer sums over them."""
    return any(
        isinstance(node.layer, Dropout)
        and any(other.variable == segment.variable for other in architecture.segments[node.id])
        for node in architecture.nodes
    )


def widen_with_copies(
    architecture: Architecture,
    weights: Weights,
    segment: Segment,
    extra: int,
    rng: np.random.Generator,
) -> Weights:
    """The weights with `extra` more channels in the segment that copy old ones.

    `weights` are those of `architecture`; they stay as they are.
    """
    copied = _choose(segment.width, extra, rng)
    wider: Weights = {}
    for node, grown in _grown(architecture, weights, segment, copied):
        wider[node.id] = {
            name: _copied(array, node.layer.axes[name], grown, rng)
            for name, array in weights[node.id].items()
        }
    return weights | wider


def widen_with_zeros(
    architecture: Architecture,
    weights: Weights,
    child: Architecture,
    segment: Segment,
    extra: int,
    rng: np.random.Generator,
) -> Weights:
    """The weights with `extra` new channels in the segment that sums weigh with zero.

    `child` is the architecture with the wider segment; `weights` stay as they are.
    """
    wider, dtype = dict(weights), dtype_of(weights)
    for node, grown in _grown(architecture, weights, segment, np.arange(extra) % segment.width):
        new = new_parameters(child, wider, child.node(node.id), rng, dtype)
        wider[node.id] = {
            name: _beside_new(array, new[name], node.layer.axes[name], grown)
            for name, array in weights[node.id].items()
        }
    return wider


# --- which entries are new ----------------------------------------------------------------------


def _choose(width: int, extra: int, rng: np.random.Generator) -> _Indices:
    """The old channel that each new one copies, all about equally often.  # shape: (extra,)"""
    rounds = [rng.permutation(width) for _ in range(ceil(extra / width))]
    return np.concatenate(rounds)[:extra]


@dataclass(frozen=True, slots=True)
class _Spread:
    """How an axis of length n grows to length m."""

    source: _Indices  # the old entry that each entry copies; shape: (m,)
    is_copy: NDArray[np.bool_]  # whether the entry is new; shape: (m,)


_Grown = Mapping[Axis, _Spread]  # the axes of a layer's parameters that grow


def _grown(
    architecture: Architecture, weights: Weights, segment: Segment, copied: _Indices
) -> Iterator[tuple[Node, _Grown]]:
    """The nodes whose parameters grow with the segment, in order."""
    for node in architecture.nodes:
        if node.id in weights:
            made = _spread(architecture.segments[node.id], segment, copied)
            read = _spread(architecture.segments[node.inputs[0]], segment, copied)
            axes = {Axis.PRODUCED: made, Axis.CONSUMED: read, Axis.CARRIED: read}
            grown = {axis: spread for axis, spread in axes.items() if spread is not None}
            if grown:
                yield node, grown


def _spread(segments: tuple[Segment, ...], grows: Segment, copied: _Indices) -> _Spread | None:
    """How an axis of these segments grows; None if the variable does not occur."""
    if all(segment.variable != grows.variable for segment in segments):
        return None
    source, is_copy, start = [], [], 0
    for segment in segments:
        source.append(np.arange(start, start + segment.length))
        is_copy.append(np.zeros(segment.length, bool))
        if segment.variable == grows.variable:
            block = np.arange(segment.repeat)
            source.append((start + copied[:, None] * segment.repeat + block).ravel())
            is_copy.append(np.ones(len(copied) * segment.repeat, bool))
        start += segment.length
    return _Spread(np.concatenate(source), np.concatenate(is_copy))


# --- one parameter ------------------------------------------------------------------------------


def _beside_new(old: Array, new: Array, axes: tuple[Axis, ...], grown: _Grown) -> Array:
    """The old values beside new ones, which are zero along the channels that are summed over."""
    array, kept = new.copy(), []
    for axis_index, axis in enumerate(axes):
        is_new = grown[axis].is_copy if axis in grown else np.zeros(new.shape[axis_index], bool)
        if axis is Axis.CONSUMED:
            array[(slice(None),) * axis_index + (is_new,)] = 0
        kept.append(~is_new)
    array[np.ix_(*kept)] = old
    return array


def _copied(array: Array, axes: tuple[Axis, ...], grown: _Grown, rng: np.random.Generator) -> Array:
    """A parameter with every axis grown that runs over the variable, by copies."""
    for axis_index, axis in enumerate(axes):
        if axis in grown:
            if axis is Axis.CONSUMED:
                array = _divided(array, axis_index, grown[axis], rng)
            else:
                array = array.take(grown[axis].source, axis=axis_index)
    return array


def _divided(array: Array, axis: int, spread: _Spread, rng: np.random.Generator) -> Array:
    """Weights over a grown input; those of a channel and its copies add up to the old weight."""
    old = np.moveaxis(array, axis, 0)
    copies, source = np.flatnonzero(spread.is_copy), spread.source[spread.is_copy]
    originals = np.flatnonzero(~spread.is_copy)
    groups = 1 + np.bincount(source, minlength=len(old))
    noise = rng.standard_normal((len(source), *old.shape[1:])) * NOISE * _size(old)
    new = old[spread.source]
    shares = old[source] / groups[source].reshape(-1, *[1] * (old.ndim - 1)) + noise
    new[copies] = shares.astype(array.dtype)
    np.subtract.at(new, originals[source], new[copies])
    return np.ascontiguousarray(np.moveaxis(new, 0, axis))


def _size(old: Array) -> float:
    """The root mean square of the weights, at least a tenth of that of initial weights."""
    fan_in = old.size / max(old.shape[1], 1)
    return max(float(np.sqrt(np.mean(old**2))), 0.1 * float(np.sqrt(2 / fan_in)))
