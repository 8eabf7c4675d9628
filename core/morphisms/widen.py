"""Widen: more channels for one width variable, at every place where it occurs.

Chen, Goodfellow & Shlens 2016 (Net2WiderNet), arXiv:1511.05641, section 2.2: each new channel
copies an old one, and whoever sums over the channels shares the old weight out among the copies.
The shares are unequal and carry noise that cancels within each group of copies, so that the
function is the same while copies get different gradients from the first step on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.architecture import Architecture
from core.contracts import Bounds
from core.errors import IllegalMorphism
from core.layers import Array, Axis
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, name_of
from core.morphisms.widths import free_widths, producers, resized, width_at
from core.segments import Segment
from core.weights import Weights

GROWTHS = (1.5, 2.0)  # a wider layer's width over the old one
NOISE = 0.3  # of the shares, over the root mean square of the weights shared out

_Indices = NDArray[np.intp]


@MORPHISMS.register("widen")
@dataclass(frozen=True, slots=True)
class Widen(AbstractMorphism):
    """Give `extra` more channels to one segment of what a convolution or dense layer makes."""

    node_id: int
    extra: int
    segment: int = 0

    def apply(self, architecture: Architecture) -> Architecture:
        return resized(architecture, self._segment(architecture).variable, self.extra)

    def transfer(
        self,
        architecture: Architecture,
        weights: Weights,
        rng: np.random.Generator,
        probe: Array | None = None,
    ) -> Weights:
        segment = self._segment(architecture)
        copied = _choose(segment.width, self.extra, rng)
        wider: Weights = {}
        for node in architecture.nodes:
            if node.id not in weights:
                continue
            made = _spread(architecture.segments[node.id], segment.variable, copied)
            read = _spread(architecture.segments[node.inputs[0]], segment.variable, copied)
            if made is None and read is None:
                continue
            wider[node.id] = {
                name: _widened(array, node.layer.axes[name], made, read, rng)
                for name, array in weights[node.id].items()
            }
        return weights | wider

    def describe(self, architecture: Architecture) -> str:
        old = architecture.shapes[self.node_id][0]
        new = self.apply(architecture).shapes[self.node_id][0]
        return f"widen {name_of(architecture, self.node_id)} from {old} to {new} channels"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node, place, segment in free_widths(architecture):
            room = _room(architecture, segment.variable, bounds.width)
            yield from (
                cls(node.id, extra, place) for extra in _extras(segment.width) if extra <= room
            )

    def _segment(self, architecture: Architecture) -> Segment:
        """The segment that grows; raises IllegalMorphism where it may not."""
        if self.extra < 1:
            raise IllegalMorphism(f"extra is {self.extra}; expected at least 1")
        return width_at(architecture, self.node_id, self.segment)


def _extras(width: int) -> list[int]:
    """How many channels are worth adding; wide layers stay multiples of four."""
    step = 4 if width >= 8 else 1
    return sorted({max(ceil(width * growth / step) * step - width, 1) for growth in GROWTHS})


def _room(architecture: Architecture, variable: int, limit: int) -> int:
    """How much a variable can grow before a layer that makes it passes the limit."""
    return min(
        (limit - architecture.shapes[node.id][0]) // count
        for node, count in producers(architecture, variable)
    )


def _choose(width: int, extra: int, rng: np.random.Generator) -> _Indices:
    """Which old channel each new one copies: all about equally often.  # shape: (extra,)"""
    rounds = [rng.permutation(width) for _ in range(ceil(extra / width))]
    return np.concatenate(rounds)[:extra]


@dataclass(frozen=True, slots=True)
class _Spread:
    """How an axis of length n grows to length m."""

    source: _Indices  # the old entry that each entry is taken from; shape: (m,)
    is_copy: NDArray[np.bool_]  # whether it is a new one; shape: (m,)


def _spread(segments: tuple[Segment, ...], variable: int, copied: _Indices) -> _Spread | None:
    """How an axis of these segments grows; None where the variable does not occur."""
    if all(segment.variable != variable for segment in segments):
        return None
    source, is_copy, start = [], [], 0
    for segment in segments:
        source.append(np.arange(start, start + segment.length))
        is_copy.append(np.zeros(segment.length, bool))
        if segment.variable == variable:
            block = np.arange(segment.repeat)
            source.append((start + copied[:, None] * segment.repeat + block).ravel())
            is_copy.append(np.ones(len(copied) * segment.repeat, bool))
        start += segment.length
    return _Spread(np.concatenate(source), np.concatenate(is_copy))


def _widened(
    array: Array,
    axes: tuple[Axis, ...],
    made: _Spread | None,
    read: _Spread | None,
    rng: np.random.Generator,
) -> Array:
    """A parameter with every axis grown that runs over the variable."""
    for place, axis in enumerate(axes):
        if axis is Axis.PRODUCED and made is not None:
            array = array.take(made.source, axis=place)
        elif axis is Axis.CARRIED and read is not None:
            array = array.take(read.source, axis=place)
        elif axis is Axis.CONSUMED and read is not None:
            array = _shared_out(array, place, read, rng)
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
