"""Fingerprints: equal for the same graph whatever its ids, different for any other graph."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Add, Concat, Dense, Input, Output
from core.morphisms import sample
from tests.strategies import SMALL, generators, morphed_architectures


def renumbered(architecture: Architecture, rng: np.random.Generator) -> Architecture:
    """The same graph with other ids, another topological order, sums in another order."""
    ids = dict(
        zip(
            [node.id for node in architecture.nodes],
            rng.choice(10_000, len(architecture.nodes), replace=False).tolist(),
            strict=True,
        )
    )
    placed, nodes, left = set(), [], list(architecture.nodes)
    while left:
        ready = [n for n in left if placed.issuperset(n.inputs)]
        if len(left) > 1:
            ready = [n for n in ready if not isinstance(n.layer, Output)]
        node = ready[rng.integers(len(ready))]
        left.remove(node)
        placed.add(node.id)
        inputs = rng.permutation(node.inputs) if node.layer.commutative else node.inputs
        nodes.append(Node(ids[node.id], node.layer, tuple(ids[int(i)] for i in inputs)))
    return Architecture(tuple(nodes))


@given(architecture=morphed_architectures(), rng=generators)
def test_numbering_order_and_the_order_of_a_sum_do_not_matter(architecture, rng):
    other = renumbered(architecture, rng)
    assert other.fingerprint == architecture.fingerprint
    assert other == architecture
    assert hash(other) == hash(architecture)


@st.composite
def tangles(draw):
    """Small graphs of equal layers, where only the edges distinguish the nodes."""
    nodes = [Node(0, Input((2,)))]
    for index in range(1, draw(st.integers(2, 5))):
        source = st.integers(0, index - 1)
        if draw(st.booleans()):
            nodes.append(Node(index, Dense(2), (draw(source),)))
        else:
            nodes.append(Node(index, Add(), (draw(source), draw(source))))
    read = {source for node in nodes for source in node.inputs}
    unread = tuple(node.id for node in nodes if node.id not in read)
    last = len(nodes)
    if len(unread) > 1:
        nodes.append(Node(last, Add(), unread))
        last += 1
    nodes.append(Node(last, Output(), (last - 1,)))
    return Architecture(tuple(nodes))


def same_graph(a: Architecture, b: Architecture) -> bool:
    """Whether some renumbering makes one the other: tries them all."""
    if Counter(n.layer for n in a.nodes) != Counter(n.layer for n in b.nodes):
        return False
    inner = [node.id for node in a.nodes[1:-1]]
    wires_b = {node.id: (node.layer, Counter(node.inputs)) for node in b.nodes}
    for order in permutations([node.id for node in b.nodes[1:-1]]):
        ids = dict(zip(inner, order, strict=True))
        ids |= {a.nodes[0].id: b.nodes[0].id, a.nodes[-1].id: b.nodes[-1].id}
        if all(wires_b[ids[n.id]] == (n.layer, Counter(ids[i] for i in n.inputs)) for n in a.nodes):
            return True
    return False


@settings(max_examples=400)
@given(a=tangles(), b=tangles())
def test_two_graphs_share_a_fingerprint_exactly_when_they_are_the_same(a, b):
    assert (a.fingerprint == b.fingerprint) == same_graph(a, b)


def sums(first: tuple[int, int], second: tuple[int, int]) -> Architecture:
    """Two dense layers read by two sums."""
    return Architecture(
        (
            Node(0, Input((3,))),
            Node(1, Dense(3), (0,)),
            Node(2, Dense(3), (0,)),
            Node(3, Add(), first),
            Node(4, Add(), second),
            Node(5, Add(), (3, 4)),
            Node(6, Output(), (5,)),
        )
    )


def test_graphs_of_equal_nodes_are_distinguished_by_their_edges():
    assert sums((1, 1), (2, 2)) != sums((1, 2), (1, 2))
    assert sums((1, 1), (2, 2)) == sums((2, 2), (1, 1))
    assert sums((1, 2), (2, 1)) == sums((1, 2), (1, 2))


def joined(*inputs: int) -> Architecture:
    return Architecture(
        (
            Node(0, Input((3,))),
            Node(1, Dense(3), (0,)),
            Node(2, Dense(4), (0,)),
            Node(3, Concat(), inputs),
            Node(4, Output(), (3,)),
        )
    )


def test_the_order_of_a_concatenation_matters():
    assert joined(1, 2) != joined(2, 1)


def test_one_layer_read_twice_is_not_two_layers():
    shared = Architecture(
        (
            Node(0, Input((3,))),
            Node(1, Dense(3), (0,)),
            Node(2, Add(), (1, 1)),
            Node(3, Output(), (2,)),
        )
    )
    doubled = Architecture(
        (
            Node(0, Input((3,))),
            Node(1, Dense(3), (0,)),
            Node(2, Dense(3), (0,)),
            Node(3, Add(), (1, 2)),
            Node(4, Output(), (3,)),
        )
    )
    assert shared != doubled


@given(architecture=morphed_architectures(), rng=generators)
def test_another_width_is_another_fingerprint(architecture, rng):
    dense = [n for n in architecture.nodes if isinstance(n.layer, Dense)][-1]
    other = architecture.with_layers({dense.id: Dense(dense.layer.units + 1)})
    assert other.fingerprint != architecture.fingerprint


@pytest.mark.timeout(20)
def test_many_equal_branches_take_little_time():
    branches = [Node(index, Dense(3), (0,)) for index in range(1, 25)]
    ids = tuple(node.id for node in branches)
    ends = (Node(25, Add(), ids), Node(26, Output(), (25,)))
    architecture = Architecture((Node(0, Input((3,))), *branches, *ends))
    other = renumbered(architecture, np.random.default_rng(0))
    assert other == architecture


@given(parent=morphed_architectures(), rng=generators)
def test_facts_taken_over_from_a_parent_equal_recomputed_ones(parent, rng):
    assert parent.fingerprint  # computed now, so that children take part of it over
    for _, child in sample(parent, SMALL, rng, 8):
        recomputed = Architecture(child.nodes)
        assert child.fingerprint == recomputed.fingerprint
        assert child.sources == recomputed.sources
        assert child.facts == recomputed.facts
