"""Small spaces of networks that can be trained one by one, each network with its neighbours.

Unlike chains of morphisms from a start they have a fixed form: `cells` repeats a graph of
four tensors whose six edges are nothing, an identity or a convolution (after Dong & Yang 2020,
arXiv:2001.00326), `chains` has five positions, each with one of four blocks. Neighbours differ in
one edge or one position.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from core.graph.architecture import Architecture
from core.graph.building import GraphBuilder
from core.layers import (
    AbstractLayer,
    Add,
    BatchNorm,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool2d,
    MaxPool2d,
    ReLU,
    Shape,
)

Genotype = tuple[int, ...]  # a choice for each position

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # of a cell, from tensor to tensor
EDGE_KINDS = ("none", "identity", "conv1", "conv3")
CELL_WIDTHS = (8, 16)  # of the stages, a pool between
CHAIN_STEM = 8
CHAIN_LENGTH = 5
CHAIN_POOL = 2  # positions before the pool


def _convolution(filters: int, kernel: int = 3) -> tuple[AbstractLayer, ...]:
    return (Conv2d(filters, kernel), BatchNorm(), ReLU())


def _separable(filters: int) -> tuple[AbstractLayer, ...]:
    return (DepthwiseConv2d(), BatchNorm(), ReLU(), *_convolution(filters, 1))


EDGE_LAYERS: Mapping[str, Callable[[int], tuple[AbstractLayer, ...]]] = {
    "identity": lambda width: (),
    "conv1": lambda width: _convolution(width, 1),
    "conv3": _convolution,
}


# --- cells ------------------------------------------------------------------------------------


def cell_network(genotype: Genotype, shape: Shape, classes: int) -> Architecture | None:
    """The network with one cell per stage; None where the cell does not connect its ends."""
    edges = _connected(genotype)
    if edges is None:
        return None
    graph = GraphBuilder(shape)
    last = graph(0, *_convolution(CELL_WIDTHS[0]))
    for stage, width in enumerate(CELL_WIDTHS):
        if stage:
            last = graph(last, *_convolution(width, 1), MaxPool2d())
        last = _cell(graph, last, edges, width)
    return graph.finish(graph(last, GlobalAvgPool2d()), classes)


def _connected(genotype: Genotype) -> dict[tuple[int, int], str] | None:
    """The edges on a path from the first tensor to the last; None where there is no path."""
    edges = {
        edge: EDGE_KINDS[choice]
        for edge, choice in zip(EDGES, genotype, strict=True)
        if EDGE_KINDS[choice] != "none"
    }
    reached, needed = {0}, {3}
    for start, end in sorted(edges):
        if start in reached:
            reached.add(end)
    for start, end in sorted(edges, reverse=True):
        if end in needed:
            needed.add(start)
    used = reached & needed
    kept = {edge: kind for edge, kind in edges.items() if {*edge} <= used}
    return kept or None


def _cell(
    graph: GraphBuilder, source: int, edges: Mapping[tuple[int, int], str], width: int
) -> int:
    tensors = {0: source}
    for tensor in (1, 2, 3):
        parts = []
        for (start, end), kind in edges.items():
            if end == tensor:
                layers = EDGE_LAYERS[kind](width)
                parts.append(graph(tensors[start], *layers))
        if parts:
            tensors[tensor] = parts[0] if len(parts) == 1 else graph.merge(Add(), *parts)
    return tensors[3]


# --- chains -----------------------------------------------------------------------------------


def chain_network(genotype: Genotype, shape: Shape, classes: int) -> Architecture:
    """The network with one block per position."""
    graph = GraphBuilder(shape)
    last, width = graph(0, *_convolution(CHAIN_STEM)), CHAIN_STEM
    for position, choice in enumerate(genotype):
        if position == CHAIN_POOL:
            last = graph(last, MaxPool2d())
        match choice:
            case 0:  # a wider convolution
                width = min(2 * width, 32)
                last = graph(last, *_convolution(width))
            case 1:
                last = graph(last, *_convolution(width, 5))
            case 2:
                last = graph(last, *_separable(width))
            case _:
                inner = graph(last, *_convolution(width), Conv2d(width), BatchNorm())
                last = graph(graph.merge(Add(), last, inner), ReLU())
    return graph.finish(graph(last, GlobalAvgPool2d()), classes)


# --- both -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Space:
    """All networks of one form."""

    choices: int  # at each position
    positions: int
    build: Callable[[Genotype, Shape, int], Architecture | None]

    def networks(self, shape: Shape, classes: int) -> "list[tuple[Architecture, list[int]]]":
        """Every different network with the indices of its neighbours in this list."""
        numbers: dict[str, int] = {}
        found: list[Architecture] = []
        number_of: dict[Genotype, int] = {}
        for genotype in product(range(self.choices), repeat=self.positions):
            architecture = self.build(genotype, shape, classes)
            if architecture is not None:
                number = numbers.setdefault(architecture.fingerprint, len(found))
                if number == len(found):
                    found.append(architecture)
                number_of[genotype] = number
        neighbours: list[set[int]] = [set() for _ in found]
        for genotype, number in number_of.items():
            others = {number_of[other] for other in self._changed(genotype) if other in number_of}
            neighbours[number] |= others - {number}
        return [(one, sorted(others)) for one, others in zip(found, neighbours, strict=True)]

    def _changed(self, genotype: Sequence[int]) -> Iterator[Genotype]:
        """The genotypes that differ in one position."""
        for position, old in enumerate(genotype):
            for choice in range(self.choices):
                if choice != old:
                    yield (*genotype[:position], choice, *genotype[position + 1 :])


SPACES: Mapping[str, Space] = {
    "cells": Space(len(EDGE_KINDS), len(EDGES), cell_network),
    "chains": Space(4, CHAIN_LENGTH, chain_network),
}
