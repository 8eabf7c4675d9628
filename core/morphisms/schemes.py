"""The two schemes by which new channels leave the function as it is, and where each is used.

*Zero*: fresh weights make the new channels, and whoever sums over the channels starts with zero
for them. Nothing changes, in training neither; the zeros get a gradient at the first step, the
fresh weights before them from the second on. (The reverse, zeros first and fresh weights behind,
would leave the channels at zero, where a ReLU lets no gradient pass.)

*Replication* (Net2WiderNet: Chen, Goodfellow & Shlens 2016, arXiv:1511.05641, section 2.2): each
new channel copies an old one, and whoever sums over the channels shares the old weight out among
the copies. The shares are unequal and carry noise that cancels within each group of copies, so
that copies get different gradients from the first step on.

Zero is the rule: fresh channels bring what copies lack until they have parted, and networks that
grew so had the lower validation loss after five epochs. Replication is used where a dropout drops
each channel for itself. Fresh channels there take part late and are dropped half the time at that,
while copies stand in for each other: the network makes fewer errors in training from the start,
and had the lower validation loss.
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
from core.morphisms.moments import fresh

NOISE = 0.3  # of the shares, over the root mean square of the weights shared out

_Indices = NDArray[np.intp]


def is_dropped(architecture: Architecture, segment: Segment) -> bool:
    """Whether a dropout stands between who makes the segment's channels and who sums over them."""
    return any(
        isinstance(node.layer, Dropout)
        and any(one.variable == segment.variable for one in architecture.segments[node.id])
        for node in architecture.nodes
    )


def replicated(
    architecture: Architecture,
    weights: Weights,
    segment: Segment,
    extra: int,
    rng: np.random.Generator,
) -> Weights:
    """The weights with `extra` more channels in the segment, which copy old ones."""
    copied = _choose(segment.width, extra, rng)
    wider: Weights = {}
    for node, grown in _grown(architecture, weights, segment, copied):
        wider[node.id] = {
            name: _copied(array, node.layer.axes[name], grown, rng)
            for name, array in weights[node.id].items()
        }
    return weights | wider


def unread(
    architecture: Architecture,
    weights: Weights,
    child: Architecture,
    segment: Segment,
    extra: int,
    rng: np.random.Generator,
) -> Weights:
    """The weights with `extra` more channels in the segment, fresh ones that no sum counts yet."""
    wider, dtype = dict(weights), dtype_of(weights)
    for node, grown in _grown(architecture, weights, segment, np.arange(extra) % segment.width):
        new = fresh(child, wider, child.node(node.id), rng, dtype)
        wider[node.id] = {
            name: _set_beside(array, new[name], node.layer.axes[name], grown)
            for name, array in weights[node.id].items()
        }
    return wider


# --- which entries are new ----------------------------------------------------------------------


def _choose(width: int, extra: int, rng: np.random.Generator) -> _Indices:
    """Which old channel each new one copies: all about equally often.  # shape: (extra,)"""
    rounds = [rng.permutation(width) for _ in range(ceil(extra / width))]
    return np.concatenate(rounds)[:extra]


@dataclass(frozen=True, slots=True)
class _Spread:
    """How an axis of length n grows to length m."""

    source: _Indices  # the old entry that each entry is taken from; shape: (m,)
    is_copy: NDArray[np.bool_]  # whether it is a new one; shape: (m,)


_Grown = Mapping[Axis, _Spread]  # how the axes of a layer's parameters grow, those that do


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
    """How an axis of these segments grows; None where the variable does not occur."""
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


def _set_beside(old: Array, new: Array, axes: tuple[Axis, ...], grown: _Grown) -> Array:
    """The old values beside new ones, which are zero along the channels that are summed over."""
    array, kept = new.copy(), []
    for place, axis in enumerate(axes):
        is_new = grown[axis].is_copy if axis in grown else np.zeros(new.shape[place], bool)
        if axis is Axis.CONSUMED:
            array[(slice(None),) * place + (is_new,)] = 0
        kept.append(~is_new)
    array[np.ix_(*kept)] = old
    return array


def _copied(array: Array, axes: tuple[Axis, ...], grown: _Grown, rng: np.random.Generator) -> Array:
    """A parameter with every axis grown that runs over the variable."""
    for place, axis in enumerate(axes):
        if axis in grown:
            if axis is Axis.CONSUMED:
                array = _shared_out(array, place, grown[axis], rng)
            else:
                array = array.take(grown[axis].source, axis=place)
    return array


def _shared_out(array: Array, axis: int, spread: _Spread, rng: np.random.Generator) -> Array:
    """Weights over a grown input: those of a channel and its copies add up to the old ones."""
    old = np.moveaxis(array, axis, 0)
    copies, source = np.flatnonzero(spread.is_copy), spread.source[spread.is_copy]
    originals = np.flatnonzero(~spread.is_copy)
    groups = 1 + np.bincount(source, minlength=len(old))
    noise = rng.standard_normal((len(source), *old.shape[1:])) * NOISE * _scale(old)
    new = old[spread.source]
    shares = old[source] / groups[source].reshape(-1, *[1] * (old.ndim - 1)) + noise
    new[copies] = shares.astype(array.dtype)
    np.subtract.at(new, originals[source], new[copies])
    return np.ascontiguousarray(np.moveaxis(new, 0, axis))


def _scale(old: Array) -> float:
    """The size of weights; of fresh ones where all are zero."""
    fan_in = old.size / max(old.shape[1], 1)
    return max(float(np.sqrt(np.mean(old**2))), 0.1 * float(np.sqrt(2 / fan_in)))
