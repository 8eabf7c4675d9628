"""Sampled inputs of layers: which examples, which positions, and which values."""

import numpy as np
import pytest

from core.graph.segments import Segment
from core.layers import Dense
from core.morphisms import activations
from core.morphisms.activations import (
    ROWS,
    collect_rows,
    group_entries,
    sample_rows,
    sample_values,
    sample_windows,
    select_probe,
    walk,
)
from tests.core.morphisms.test_skips import NETWORK
from tests.strategies import random_inputs, random_weights

PLAIN = (Segment(variable=0, width=2), Segment(variable=1, width=1))
FLATTENED = (Segment(variable=0, width=2, repeat=3), Segment(variable=1, width=1))


def values_by_hand(weights, x):
    """The output of each node of a chain of layers."""
    values = {0: x}
    for node in NETWORK.nodes[1:]:
        values[node.id] = node.layer.forward(weights.get(node.id, {}), [values[node.inputs[0]]])
    return values


def test_as_many_examples_of_the_probe_are_used_as_the_operations_allow(monkeypatch):
    x = np.arange(1000.0).reshape(1000, 1, 1, 1) * np.ones((1, 1, 9, 9))
    for count, expected in ((1e9, 256), (100, 100), (1, 32)):
        monkeypatch.setattr(activations, "MAX_FLOPS", count * NETWORK.flops)
        probe = select_probe(NETWORK, {}, np.random.default_rng(0), x)
        assert len(probe) == expected
        assert probe[0, 0, 0, 0] == 0
        assert probe[-1, 0, 0, 0] == 999


def test_noise_replaces_a_missing_probe_and_a_small_probe_is_used_entirely():
    rng = np.random.default_rng(0)
    noise = select_probe(NETWORK, {}, rng, None)
    assert noise.shape == (64, 1, 9, 9)
    assert noise.std() == pytest.approx(1, abs=0.05)
    probe = rng.normal(size=(5, 1, 9, 9))
    chosen = select_probe(NETWORK, random_weights(NETWORK, rng, np.float32), rng, probe)
    np.testing.assert_array_equal(chosen, probe.astype(np.float32))
    assert chosen.dtype == np.float32


def test_a_walk_yields_the_inputs_of_the_nodes_in_order_for_any_number_of_examples():
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng, count=70)
    expected = values_by_hand(weights, x)
    found = list(walk(NETWORK, weights, x, frozenset({10, 4, 7})))
    assert [node.id for node, _ in found] == [4, 7, 10]
    for node, read in found:
        np.testing.assert_allclose(read, expected[node.inputs[0]], rtol=1e-9, atol=1e-12)
    assert list(walk(NETWORK, weights, x, frozenset())) == []


def test_channels_are_grouped_by_how_many_entries_each_has():
    assert {repeat: one.tolist() for repeat, one in group_entries(PLAIN).items()} == {
        1: [[0], [1], [2]]
    }
    assert {repeat: one.tolist() for repeat, one in group_entries(FLATTENED).items()} == {
        3: [[0, 1, 2], [3, 4, 5]],
        1: [[6]],
    }


def test_rows_of_few_values_are_all_of_them():
    value = np.arange(14.0).reshape(2, 7)  # two examples of two channels of three, and one
    rows = sample_rows(value, FLATTENED)
    assert rows[3].tolist() == [[0, 3], [1, 4], [2, 5], [7, 10], [8, 11], [9, 12]]
    assert rows[1].tolist() == [[6], [13]]
    image = np.arange(12.0).reshape(1, 3, 2, 2)
    assert sample_rows(image, PLAIN)[1].tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert sample_values(image).tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]


def test_many_positions_are_sampled_evenly():
    value = np.arange(3.0 * ROWS).reshape(3 * ROWS, 1)
    rows = sample_rows(value, PLAIN[1:])[1][:, 0]
    assert len(rows) == len(sample_values(value)) == ROWS
    assert rows[0] == 0
    assert rows[-1] == 3 * ROWS - 1
    assert set(np.diff(rows)) <= {2, 3, 4}


def test_windows_times_the_weight_are_the_outputs_of_a_convolution():
    """At the same positions as the sampled values of its output."""
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng)
    values, node = values_by_hand(weights, x), NETWORK.node(5)
    weight = weights[5]["weight"].reshape(5, -1)
    found = sample_windows(node, values[4]) @ weight.T + weights[5]["bias"]
    np.testing.assert_allclose(found, sample_values(values[5]), rtol=1e-9, atol=1e-12)


def test_a_layer_without_windows_reads_single_values():
    node = NETWORK.node(10)
    assert isinstance(node.layer, Dense)
    value = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(sample_windows(node, value), value)


def test_collected_rows_are_those_of_the_inputs():
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng)
    (rows,) = collect_rows(NETWORK, weights, x, frozenset({5})).values()
    np.testing.assert_allclose(rows[1], sample_values(values_by_hand(weights, x)[4]), rtol=1e-12)
