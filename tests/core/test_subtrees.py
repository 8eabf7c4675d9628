"""The distance between subtrees, against multisets counted in plain Python."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.histories import history, of_depth
from core.subtrees import ROUNDS, SubtreeEncoder, distances

GRAPHS = [trial.architecture for trial in history(25, seed=3)] + of_depth(12, 5)


def encoded():
    encoder = SubtreeEncoder()
    return [encoder.encode(graph) for graph in GRAPHS]


def naive(one, other) -> float:
    a, b = Counter(one.tolist()), Counter(other.tolist())
    return 1 - sum((a & b).values()) / sum((a | b).values())


def test_it_is_the_share_of_the_labels_not_in_common():
    labels = encoded()
    expected = [[naive(one, other) for other in labels] for one in labels]
    np.testing.assert_allclose(distances(labels, labels), expected)


def test_every_node_has_a_label_of_every_round():
    for graph, labels in zip(GRAPHS, encoded(), strict=True):
        assert len(labels) == (ROUNDS + 1) * len(graph.nodes)


def test_similarities_are_positive_definite_and_so_are_their_exponentials():
    found = distances(encoded(), encoded())
    assert np.linalg.eigvalsh(1 - found).min() > -1e-9
    for scale in (0.1, 1.0, 10.0):
        assert np.linalg.eigvalsh(np.exp(-found / scale)).min() > -1e-9


@pytest.mark.parametrize("count", [0, 3])
def test_none_and_some(count):
    labels = encoded()
    assert distances(labels[:0], labels[:count]).shape == (0, count)
    assert distances(labels[:count], []).shape == (count, 0)


def test_numbers_of_nodes_mean_nothing():
    for graph in GRAPHS[:5]:
        again = type(graph).from_json(graph.to_json())
        encoder = SubtreeEncoder()
        np.testing.assert_array_equal(encoder.encode(graph), encoder.encode(again))
