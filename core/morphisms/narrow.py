"""Narrow: remove channels of one width variable, wherever it occurs.

The channels are removed one by one, each time the one whose removal adds the least error to the
sums of its readers after the other channels are refitted by least squares. This is the optimal
brain surgeon (Hassibi & Stork 1993) for whole channels; of two equal channels one stays.

Notation
    P   inverse covariance of a reader's input, (C, C)
    Q   WᵀW of its weight W, (C, C)

    Removing channel i adds the error Q_ii / P_ii to the output. The refit is
    W ← W - w_i p_iᵀ / P_ii, where p_i is row i of P, and P ← P - p_i p_iᵀ / P_ii.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import Self

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms.abstract import MORPHISMS
from core.morphisms.activations import Rows, collect_rows, group_entries
from core.morphisms.reduction import Indices, Reduction
from core.morphisms.refit import consumed
from core.morphisms.shrinking import AbstractShrinking
from core.morphisms.widths import free_widths, in_words, producers, resize, width_at
from core.protocol.contracts.bounds import Bounds

SHRINKS = (0.75, 0.5)  # new width over old width
MIN_WIDTH = 4  # channels; candidates leave at least this many
_RIDGE = 1e-4  # added to a covariance, in mean variances


@MORPHISMS.register("narrow")
@dataclass(frozen=True, slots=True)
class Narrow(AbstractShrinking):
    """Remove `fewer` channels from one segment of the output of a convolution or dense layer."""

    node_id: int
    fewer: int
    segment: int = 0

    def apply(self, architecture: Architecture) -> Architecture:
        return resize(architecture, self._segment(architecture).variable, -self.fewer)

    def reduction(self, architecture: Architecture) -> Reduction:
        segment = self._segment(architecture)
        return _reduction(architecture, segment, np.arange(segment.width - self.fewer))

    def chosen(self, architecture: Architecture, weights: Weights, x: Array) -> Reduction:
        segment = self._segment(architecture)
        stay = _kept_channels(architecture, weights, segment, self.fewer, x)
        return _reduction(architecture, segment, stay)

    def describe(self, architecture: Architecture) -> str:
        return in_words("narrow", architecture, self.node_id, self.apply(architecture))

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node, index, segment in free_widths(architecture):
            yield from (cls(node.id, fewer, index) for fewer in _fewer(segment.width))

    def _segment(self, architecture: Architecture) -> Segment:
        """The segment that shrinks; raises IllegalMorphism if it must not."""
        segment = width_at(architecture, self.node_id, self.segment)
        if not 1 <= self.fewer < segment.width:
            raise IllegalMorphism(f"fewer is {self.fewer}; expected 1 to {segment.width - 1}")
        return segment


def _fewer(width: int) -> list[int]:
    """The numbers of channels worth removing; wide layers stay multiples of four."""
    steps = [(width * shrink, 4 if width * shrink >= 8 else 1) for shrink in SHRINKS]
    widths = {max(floor(share / step) * step, MIN_WIDTH) for share, step in steps}
    return sorted({width - new for new in widths if new < width})


def _reduction(architecture: Architecture, segment: Segment, stay: Indices) -> Reduction:
    """The reduction that keeps only these channels of the segment."""
    return Reduction(
        kept={
            node.id: _kept(architecture.segments[node.id], segment.variable, stay)
            for node, _ in producers(architecture, segment.variable)
        }
    )


def _kept(segments: tuple[Segment, ...], variable: int, stay: Indices) -> Indices:
    parts, start = [], 0
    for segment in segments:
        parts.append(start + (stay if segment.variable == variable else np.arange(segment.width)))
        start += segment.width
    return np.concatenate(parts)


# --- which channels stay ------------------------------------------------------------------------


def _kept_channels(
    architecture: Architecture, weights: Weights, segment: Segment, fewer: int, x: Array
) -> Indices:
    """The channels of the segment that stay, in order.  # shape: (width - fewer,)"""
    nodes = [
        node
        for node in architecture.nodes
        if consumed(node) is not None
        and any(s.variable == segment.variable for s in architecture.segments[node.inputs[0]])
    ]
    rows = collect_rows(architecture, weights, x, frozenset(node.id for node in nodes))
    readers = [
        reader
        for node in nodes
        for reader in _readers(architecture, node, weights, rows[node.id], segment)
    ]
    left = np.ones(segment.width, bool)
    for _ in range(fewer):
        losses = np.sum([reader.losses() for reader in readers], axis=0)
        least = int(np.where(left, losses, np.inf).argmin())
        left[least] = False
        for reader in readers:
            reader.remove(least)
    return np.flatnonzero(left)


@dataclass(slots=True)
class _Reader:
    """A sum over channels, some of which belong to the variable."""

    P: Array  # shape: (C, C); changed by `remove`
    Q: Array  # shape: (C, C), in variances of the sum; changed by `remove`
    indices: Indices  # of the variable's channels; shape: (occurrences, width)

    def losses(self) -> Array:
        """The error that removing each channel of the variable adds.  # shape: (width,)"""
        smallest = 1e-100  # avoids 0 / 0 for a removed channel
        errors = self.Q.diagonal() / np.maximum(self.P.diagonal(), smallest)
        losses: Array = errors[self.indices].sum(axis=0)
        return losses

    def remove(self, channel: int) -> None:
        """Remove a channel of the variable and refit the others."""
        for i in self.indices[:, channel]:
            p = self.P[i] / self.P[i, i]
            q = self.Q[i].copy()
            self.Q += q[i] * np.outer(p, p) - np.outer(q, p) - np.outer(p, q)
            self.P -= self.P[i, i] * np.outer(p, p)


def _readers(
    architecture: Architecture, node: Node, weights: Weights, rows: Rows, segment: Segment
) -> Iterator[_Reader]:
    """The sums of a node over each group of channels with equally many entries."""
    axis = consumed(node)
    assert axis is not None
    weight = np.moveaxis(weights[node.id]["weight"].astype(np.float64), axis, 0)
    segments = architecture.segments[node.inputs[0]]
    for repeat, entries in group_entries(segments).items():
        indices, start = [], 0
        for other in segments:
            if other.repeat == repeat:
                if other.variable == segment.variable:
                    indices.append(np.arange(start, start + other.width))
                start += other.width
        if indices:
            x = rows[repeat] - rows[repeat].mean(axis=0)
            covariance = x.T @ x / len(x)
            W = weight[entries].reshape(len(entries), -1)
            Q = W @ W.T
            scale = max(float((Q * covariance).sum()), 1e-30)
            ridge = max(_RIDGE * float(np.trace(covariance)) / len(covariance), 1e-12)
            P = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
            yield _Reader(P, Q / scale, np.array(indices))
