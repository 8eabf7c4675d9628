"""Narrow: fewer channels for one width variable, at every place where it occurs.

The channels to go are those that the readers' sums can do without at the least error when the
others take over, by least squares: the optimal brain surgeon (Hassibi & Stork 1993) for whole
channels, one after the other, so that of two copies one stays.

Notation
    P   inverse covariance of what a reader reads, (C, C)
    Q   WᵀW of its weight, (C, C)
        Without channel i the output's error is Q_ii / P_ii; the others take over through
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
from core.morphisms.activations import Rows, groups_of, observed
from core.morphisms.reduction import Indices, Reduction
from core.morphisms.refit import consumed
from core.morphisms.shrinking import AbstractShrinking
from core.morphisms.widths import free_widths, in_words, producers, resized, width_at
from core.protocol.contracts import Bounds

SHRINKS = (0.75, 0.5)  # a narrower layer's width over the old one
NARROWEST = 4  # channels below which nothing is narrowed
_RIDGE = 1e-4  # of a covariance, in mean variances


@MORPHISMS.register("narrow")
@dataclass(frozen=True, slots=True)
class Narrow(AbstractShrinking):
    """Take `fewer` channels from one segment of what a convolution or dense layer makes."""

    node_id: int
    fewer: int
    segment: int = 0

    def apply(self, architecture: Architecture) -> Architecture:
        return resized(architecture, self._segment(architecture).variable, -self.fewer)

    def reduction(self, architecture: Architecture) -> Reduction:
        segment = self._segment(architecture)
        return _reduction(architecture, segment, np.arange(segment.width - self.fewer))

    def chosen(self, architecture: Architecture, weights: Weights, x: Array) -> Reduction:
        segment = self._segment(architecture)
        stay = _needed(architecture, weights, segment, self.fewer, x)
        return _reduction(architecture, segment, stay)

    def describe(self, architecture: Architecture) -> str:
        return in_words("narrow", architecture, self.node_id, self.apply(architecture))

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node, place, segment in free_widths(architecture):
            yield from (cls(node.id, fewer, place) for fewer in _fewer(segment.width))

    def _segment(self, architecture: Architecture) -> Segment:
        """The segment that shrinks; raises IllegalMorphism where it may not."""
        segment = width_at(architecture, self.node_id, self.segment)
        if not 1 <= self.fewer < segment.width:
            raise IllegalMorphism(f"fewer is {self.fewer}; expected 1 to {segment.width - 1}")
        return segment


def _fewer(width: int) -> list[int]:
    """How many channels are worth taking; what stays wide stays a multiple of four."""
    steps = [(width * shrink, 4 if width * shrink >= 8 else 1) for shrink in SHRINKS]
    left = {max(floor(share / step) * step, NARROWEST) for share, step in steps}
    return sorted({width - one for one in left if one < width})


def _reduction(architecture: Architecture, segment: Segment, stay: Indices) -> Reduction:
    """The channels that each layer still makes where these of the segment stay."""
    return Reduction(
        kept={
            node.id: _kept(architecture.segments[node.id], segment.variable, stay)
            for node, _ in producers(architecture, segment.variable)
        }
    )


def _kept(segments: tuple[Segment, ...], variable: int, stay: Indices) -> Indices:
    found, start = [], 0
    for segment in segments:
        found.append(start + (stay if segment.variable == variable else np.arange(segment.width)))
        start += segment.width
    return np.concatenate(found)


# --- which channels are needed ------------------------------------------------------------------


def _needed(
    architecture: Architecture, weights: Weights, segment: Segment, fewer: int, x: Array
) -> Indices:
    """The channels of the variable that stay, in order."""
    nodes = [
        node
        for node in architecture.nodes
        if consumed(node) is not None
        and any(s.variable == segment.variable for s in architecture.segments[node.inputs[0]])
    ]
    seen = observed(architecture, weights, x, frozenset(node.id for node in nodes))
    readers = [
        reader
        for node in nodes
        for reader in _readers(architecture, node, weights, seen[node.id], segment)
    ]
    left = np.ones(segment.width, bool)
    for _ in range(fewer):
        losses = np.sum([reader.losses() for reader in readers], axis=0)
        worst = int(np.where(left, losses, np.inf).argmin())
        left[worst] = False
        for reader in readers:
            reader.drop(worst)
    return np.flatnonzero(left)


@dataclass(slots=True)
class _Reader:
    """A sum over channels, of which some are the variable's."""

    P: Array  # (C, C), changed by `drop`
    Q: Array  # (C, C), in variances of the sum; changed by `drop`
    places: Indices  # of the variable's channels among them, (occurrences, width)

    def losses(self) -> Array:
        """The error that each channel of the variable would leave.  # shape: (width,)"""
        least = 1e-100  # of one that was dropped
        each = self.Q.diagonal() / np.maximum(self.P.diagonal(), least)
        losses: Array = each[self.places].sum(axis=0)
        return losses

    def drop(self, channel: int) -> None:
        """Let the others take over from a channel."""
        for place in self.places[:, channel]:
            p = self.P[place] / self.P[place, place]
            q = self.Q[place].copy()
            self.Q += q[place] * np.outer(p, p) - np.outer(q, p) - np.outer(p, q)
            self.P -= self.P[place, place] * np.outer(p, p)


def _readers(
    architecture: Architecture, node: Node, weights: Weights, seen: Rows, segment: Segment
) -> Iterator[_Reader]:
    """The sums of a node over groups of channels that take equally many entries each."""
    place = consumed(node)
    assert place is not None
    weight = np.moveaxis(weights[node.id]["weight"].astype(np.float64), place, 0)
    segments = architecture.segments[node.inputs[0]]
    for repeat, entries in groups_of(segments).items():
        places, start = [], 0
        for one in segments:
            if one.repeat == repeat:
                if one.variable == segment.variable:
                    places.append(np.arange(start, start + one.width))
                start += one.width
        if places:
            x = seen[repeat] - seen[repeat].mean(axis=0)
            covariance = x.T @ x / len(x)
            W = weight[entries].reshape(len(entries), -1)
            Q = W @ W.T
            scale = max(float((Q * covariance).sum()), 1e-30)
            ridge = max(_RIDGE * float(np.trace(covariance)) / len(covariance), 1e-12)
            P = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
            yield _Reader(P, Q / scale, np.array(places))
