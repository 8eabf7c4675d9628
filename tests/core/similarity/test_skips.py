"""The skips of a batch of graphs, against those found node by node in plain Python."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import LAYERS, Add, Dense, Input, Output, ReLU
from core.similarity.edit_distance import skips
from core.similarity.encoding import NodeEncoder
from core.similarity.skips import _deepest, spans
from tests.strategies import architectures, morphed_architectures

KINDS = list(LAYERS)
UNSEEN = {"input", "output", "add", "concat", "scale"}


def naive(graph: Architecture) -> list[tuple[str, int, int]]:
    """By following each input of a merge back to a node with another reader."""
    readers = Counter(source for node in graph.nodes for source in set(node.inputs))

    def depth(node_id: int) -> int:
        node = graph.node(node_id)
        before = max((depth(source) for source in node.inputs), default=0)
        return before + (LAYERS.kind_of(node.layer) not in UNSEEN)

    def fork(node_id: int) -> int:
        node = graph.node(node_id)
        if len(node.inputs) == 1 and readers[node_id] == 1:
            return fork(node.inputs[0])
        return depth(node_id)

    found = []
    for node in graph.nodes:
        if len(node.inputs) > 1:
            starts = sorted((depth(source), fork(source)) for source in node.inputs)
            end = depth(node.id)
            kind = LAYERS.kind_of(node.layer)
            found.extend((kind, start, end - start) for _, start in starts[:-1])
    return sorted(found)


some = st.one_of(architectures(), morphed_architectures())


@given(graphs=st.lists(some, min_size=1, max_size=4))
def test_the_skips_of_a_batch_are_those_of_each_graph(graphs):
    coder = NodeEncoder()
    coded = coder.encode(graphs)
    kinds = [LAYERS.kind_of(node.layer) for graph in graphs for node in graph.nodes]
    is_seen = np.array([kind not in UNSEEN for kind in kinds])
    found = spans(coded, is_seen, np.array([KINDS.index(kind) for kind in kinds]))
    named = [sorted((KINDS[kind], u, d) for kind, u, d in one.tolist()) for one in found]
    assert named == [naive(graph) for graph in graphs]
    assert [one.tolist() for one in found] == [sorted(one.tolist()) for one in found]
    assert [list(skips(graph)) for graph in graphs] == named


def test_a_node_added_to_itself_is_a_skip_over_nothing():
    nodes = (
        Node(0, Input((4,))),
        Node(1, ReLU(), (0,)),
        Node(2, Add(), (1, 1)),
        Node(3, Dense(3), (2,)),
        Node(4, Output(), (3,)),
    )
    assert skips(Architecture(nodes)) == (("add", 0, 1),)


def test_of_equally_deep_inputs_the_one_that_forks_off_last_is_no_skip():
    depths, forks = np.array([5, 2, 2, 1]), np.array([0, 0, 1, 1])
    for inputs, expected in (((1, 2), 1), ((2, 1), 0), ((3, 1), 1), ((3, 2, 1), 1), ((2, 0), 1)):
        assert _deepest(np.array(inputs), depths, forks) == expected, inputs
