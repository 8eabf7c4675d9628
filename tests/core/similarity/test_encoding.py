"""Encodings: arrays of small graphs by hand, and codes that only depend on layers."""

from math import log

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Add, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Flatten, Input, Output, ReLU
from core.similarity.encoding import NodeColumn, NodeEncoder


def network(*layers) -> Architecture:
    nodes = [Node(i, layer, (i - 1,) if i else ()) for i, layer in enumerate(layers)]
    return Architecture(tuple(nodes))


CHAIN = network(Input((4,)), Dense(4), ReLU(), Dense(3), Output())
SUM = Architecture(
    (
        Node(10, Input((4,))),
        Node(30, Dense(4), (10,)),
        Node(20, Add(), (30, 10)),
        Node(25, Dense(3), (20,)),
        Node(26, Output(), (25,)),
    )
)


def test_graphs_lie_one_behind_the_other_with_indices_within_each():
    encoded = NodeEncoder().encode([CHAIN, SUM])
    assert encoded.ends.tolist() == [5, 10]
    assert encoded.sources.tolist() == [0, 1, 2, 3, 0, 1, 0, 2, 3]
    assert encoded.source_ends.tolist() == [0, 1, 2, 3, 4, 4, 5, 7, 8, 9]


def test_equal_layers_of_equal_shapes_share_a_code_in_all_graphs():
    coder = NodeEncoder()
    encoded = coder.encode([CHAIN, SUM])
    assert encoded.codes.tolist() == [0, 1, 2, 3, 4, 0, 1, 5, 3, 4]
    assert coder.layers == [Input((4,)), Dense(4), ReLU(), Dense(3), Output(), Add()]
    again = coder.encode([Architecture(CHAIN.nodes)])
    assert again.codes.tolist() == [0, 1, 2, 3, 4]
    assert len(coder.hashes) == len(coder.facts) == 6


def row(coder: NodeEncoder, layer) -> dict[str, float]:
    values = coder.facts[coder.layers.index(layer)]
    return {column.name: values[column] for column in NodeColumn}


def test_the_numbers_of_codes_by_hand():
    layers = (Input((2, 4, 6)), Conv2d(8, 5, 2), BatchNorm(), DepthwiseConv2d(3), Flatten())
    coder = NodeEncoder()
    coder.encode([network(*layers, Dense(3), Output())])
    nothing = {"WEIGHTED": 0, "KERNEL": 0, "WIDTH": 0, "IS_WIDE": 0}
    shape = {"IS_SPATIAL": 1, "CHANNELS": log(8), "POSITIONS": log(6)}
    wide = {"WEIGHTED": 1, "KERNEL": 5, "WIDTH": log(8), "IS_WIDE": 1}
    assert row(coder, Conv2d(8, 5, 2)) == pytest.approx(wide | shape)
    assert row(coder, BatchNorm()) == pytest.approx(nothing | shape)
    depthwise = nothing | {"WEIGHTED": 1, "KERNEL": 3}
    assert row(coder, DepthwiseConv2d(3)) == pytest.approx(depthwise | shape)
    vector = {"IS_SPATIAL": 0, "CHANNELS": log(48), "POSITIONS": 0}
    assert row(coder, Flatten()) == pytest.approx(nothing | vector)


def hashes(*layers) -> np.ndarray:
    coder = NodeEncoder()
    coder.encode([network(Input((4,)), *layers, Output())])
    return coder.hashes[1 : len(layers) + 1]


def test_a_hash_knows_the_layer_and_its_width_up_to_half_a_doubling():
    sixteen, seventeen, twice = hashes(Dense(16), Dense(17), Dense(32))
    assert sixteen == seventeen
    assert sixteen != twice
    assert hashes(Dense(16))[0] == sixteen  # independent of earlier layers
    assert hashes(Dense(16, bias=False))[0] != sixteen
    assert hashes(BatchNorm())[0] != hashes(ReLU())[0]


def test_no_architectures_have_an_empty_encoding():
    coder = NodeEncoder()
    encoded = coder.encode([])
    assert len(encoded.codes) == len(encoded.ends) == len(encoded.sources) == 0
    assert coder.hashes.shape == (0,)
    assert coder.facts.shape == (0, len(NodeColumn))
