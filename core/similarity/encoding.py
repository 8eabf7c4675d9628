"""Architectures as arrays for compiled code: a code for each node, and the nodes that it reads.

A node's code stands for its layer and output shape. Tables have, for every code, the hash that its
subtrees start from and its numbers (see `NodeColumn`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from math import log, log2, prod

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture, LayerFacts
from core.layers import LAYERS, AbstractLayer, Channels, Shape, field_names, optional_fields

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]

_WIDTH_STEPS = 2  # distinct hashes per doubling of a width


class NodeColumn(IntEnum):
    """The columns of the table of numbers."""

    WEIGHTED = 0  # 1 for a convolution or dense layer, else 0
    KERNEL = 1  # positions along a side of its kernel; 0 without one
    WIDTH = 2  # log of the channels that it makes; 0 if it makes none of its own
    IS_WIDE = 3  # 1 if it makes channels of its own
    IS_SPATIAL = 4  # 1 if its output has spatial axes
    CHANNELS = 5  # log of the output's channels
    POSITIONS = 6  # log of the output's positions


@dataclass(frozen=True, slots=True)
class EncodedGraphs:
    """Some architectures with their nodes in a row, each graph's in topological order."""

    codes: Integers  # shape: (nodes,)
    ends: Integers  # where each graph's nodes end; shape: (graphs,)
    sources: Integers  # for each edge, the index within its graph of the node read; shape: (edges,)
    source_ends: Integers  # where each node's sources end; shape: (nodes,)


class NodeEncoder:
    """Gives each distinct pair of a layer and its output shape a code, and keeps their tables."""

    def __init__(self) -> None:
        self._codes: dict[tuple[AbstractLayer, Shape], int] = {}  # by layer and output shape
        self._known: dict[int, int] = {}  # by the id of a layer's facts, which architectures share
        self._kept: list[LayerFacts] = []  # alive, so that no id is used twice
        self.layers: list[AbstractLayer] = []  # of each code
        self._hashes: list[int] = []
        self._facts: list[tuple[float, ...]] = []
        self._known_tables = np.zeros(0, np.uint64), np.zeros((0, len(NodeColumn)))

    @property
    def hashes(self) -> Hashes:
        """A hash of each code, the same in every process.  # shape: (codes,)"""
        return self._tables()[0]

    @property
    def facts(self) -> Floats:
        """The numbers of each code.  # shape: (codes, len(NodeColumn))"""
        return self._tables()[1]

    def _tables(self) -> tuple[Hashes, Floats]:
        if len(self._known_tables[0]) < len(self._hashes):
            facts = np.array(self._facts, dtype=np.float64).reshape(-1, len(NodeColumn))
            self._known_tables = np.array(self._hashes, dtype=np.uint64), facts
        return self._known_tables

    def encode(self, architectures: Sequence[Architecture]) -> EncodedGraphs:
        """The architectures in this coder's codes."""
        codes: list[int] = []
        ends: list[int] = []
        sources: list[int] = []
        source_ends: list[int] = []
        known = self._known
        for architecture in architectures:
            for facts, read in zip(architecture.facts, architecture.sources, strict=True):
                code = known.get(id(facts))
                codes.append(self._new(facts) if code is None else code)
                sources.extend(read)
                source_ends.append(len(sources))
            ends.append(len(codes))
        return EncodedGraphs(
            *(np.array(one, dtype=np.int64) for one in (codes, ends, sources, source_ends))
        )

    def _new(self, facts: LayerFacts) -> int:
        layer, shape = facts.layer, facts.shape
        code = self._codes.setdefault((layer, shape), len(self._hashes))
        if code == len(self._hashes):
            self.layers.append(layer)
            self._hashes.append(_hash(layer, shape[0]))
            self._facts.append(_facts(layer, shape))
        self._known[id(facts)] = code
        self._kept.append(facts)
        return code


def _hash(layer: AbstractLayer, width: int) -> int:
    """A hash of the kind, the attributes without the width, and the rounded log of the width."""
    kind = LAYERS.kind_of(layer)
    key: tuple[object, ...] = (kind,)
    if kind not in ("input", "output"):
        own = {"filters", "units"} if layer.channels is Channels.OWN else set()
        names = [name for name in field_names(type(layer)) if name not in own | layer.optional]
        fields = [*[getattr(layer, name) for name in names], *optional_fields(layer).items()]
        key = (kind, round(_WIDTH_STEPS * log2(width)), *fields)
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little")


def _facts(layer: AbstractLayer, shape: Shape) -> tuple[float, ...]:
    """The numbers of a layer with an output of this shape, in the order of `NodeColumn`."""
    is_weighted = "weight" in layer.axes and not layer.buffers
    is_wide, is_spatial = layer.channels is Channels.OWN, len(shape) > 1
    channels, indices = log(shape[0]), log(prod(shape[1:]))
    return (
        float(is_weighted),
        float(getattr(layer, "kernel", 0)),
        channels if is_wide else 0.0,
        float(is_wide),
        float(is_spatial),
        channels,
        indices,
    )
