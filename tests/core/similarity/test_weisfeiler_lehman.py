"""The distance between subtrees, against multisets counted in plain Python."""

from collections import Counter
from math import log2

import numpy as np
import pytest

from benchmarks.histories import history, of_depth
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    Zero,
    layer_to_json,
)
from core.similarity.encoding import NodeEncoder
from core.similarity.weisfeiler_lehman import ROUNDS, distances, labels

PLAIN = (Conv2d(8, 3), MaxPool2d(3, 1, 1), Flatten(), Dense(3), Output())
PADDED = [
    Architecture(
        (Node(0, Input((1, 6, 6))), *[Node(i, x, (i - 1,)) for i, x in enumerate(chain, 1)])
    )
    for chain in (
        PLAIN,
        (Conv2d(8, 3, bias=False), *PLAIN[1:]),
        (PLAIN[0], MaxPool2d(3, 1), *PLAIN[2:]),
        (PLAIN[0], MaxPool2d(3, 1, 1, ceil_mode=True), *PLAIN[2:]),
        (PLAIN[0], MaxPool2d(3, 1, pads=(0, 1, 2, 1)), *PLAIN[2:]),
        (PLAIN[0], MaxPool2d((3, 2), 1, 1), *PLAIN[2:]),
        (Conv2d(8, 3, pads=(0, 1, 2, 1)), *PLAIN[1:]),
        (PLAIN[0], AvgPool2d(3, 1, 1), *PLAIN[2:]),
        (PLAIN[0], AvgPool2d(3, 1, 1, count_include_pad=True), *PLAIN[2:]),
        (PLAIN[0], Zero(), *PLAIN[2:]),
    )
]
GRAPHS = [trial.architecture for trial in history(25, seed=3)] + of_depth(12, 5) + PADDED


def encoded(graphs=GRAPHS):
    coder = NodeEncoder()
    coded = coder.encode(graphs)
    return labels(coded, coder.hashes)


def naive_subtrees(graph) -> Counter:
    """Subtrees as nested tuples, by the layers' JSON; widths as halves of a doubling."""
    known: dict[int, list[object]] = {}
    found: Counter = Counter()
    for node in graph.nodes:
        data = layer_to_json(node.layer)
        own = {"filters", "units", "shape"} if data["kind"] != "output" else set()
        first = [
            data["kind"] in ("input", "output") or round(2 * log2(graph.shapes[node.id][0])),
            *sorted((name, value) for name, value in data.items() if name not in own),
        ]
        rounds: list[object] = [tuple(first)]
        for r in range(ROUNDS):
            read = sorted((known[source][r] for source in node.inputs), key=repr)
            rounds.append((rounds[r], tuple(read)))
        known[node.id] = rounds
        found.update((r, repr(one)) for r, one in enumerate(rounds))
    return found


def naive(one, other) -> float:
    a, b = Counter(one.tolist()), Counter(other.tolist())
    return 1 - sum((a & b).values()) / sum((a | b).values())


def test_the_distance_is_the_share_of_labels_not_in_common():
    found = encoded()
    expected = [[naive(one, other) for other in found] for one in found]
    np.testing.assert_allclose(distances(found, found), expected)


def test_layers_that_differ_only_in_an_optional_field_have_a_distance():
    found = distances(encoded(PADDED), encoded(PADDED))
    assert (found[~np.eye(len(PADDED), dtype=bool)] > 0).all()


def test_labels_are_equal_where_subtrees_are():
    """The distances equal those between subtrees that are written out."""
    trees = [naive_subtrees(graph) for graph in GRAPHS]
    expected = [[1 - sum((a & b).values()) / sum((a | b).values()) for b in trees] for a in trees]
    np.testing.assert_allclose(distances(encoded(), encoded()), expected)


def test_every_node_has_a_label_of_every_round():
    for graph, found in zip(GRAPHS, encoded(), strict=True):
        assert len(found) == (ROUNDS + 1) * len(graph.nodes)


def test_similarities_are_positive_definite_and_so_are_their_exponentials():
    found = distances(encoded(), encoded())
    assert np.linalg.eigvalsh(1 - found).min() > -1e-9
    for scale in (0.1, 1.0, 10.0):
        assert np.linalg.eigvalsh(np.exp(-found / scale)).min() > -1e-9


@pytest.mark.parametrize("count", [0, 3])
def test_none_and_some(count):
    found = encoded()
    assert distances(found[:0], found[:count]).shape == (0, count)
    assert distances(found[:count], []).shape == (count, 0)
    assert encoded([]) == []


def test_labels_do_not_depend_on_other_graphs_nor_on_the_objects():
    for index, graph in enumerate(GRAPHS[:5]):
        (again,) = encoded([type(graph).from_json(graph.to_json())])
        np.testing.assert_array_equal(encoded()[index], again)
