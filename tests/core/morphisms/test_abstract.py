"""The common part of morphisms: the nodes that may change, and their names."""

import numpy as np
import pytest

from core.errors import IllegalMorphism, InvalidArchitecture
from core.layers import Conv2d, Zero
from core.morphisms.abstract import dtype_of, excluded_nodes, layer_at, name_of, shape_at
from tests.core.morphisms.test_skips import NETWORK


def test_all_nodes_but_the_output_and_the_logits_may_change():
    assert layer_at(NETWORK, 1) == Conv2d(4)
    assert shape_at(NETWORK, 4) == (4, 4, 4)
    for node_id in (12, 13, 99, -1):
        for read in (layer_at, shape_at):
            with pytest.raises(IllegalMorphism, match=rf"node {node_id} .*expected one of \[0, 1,"):
                read(NETWORK, node_id)


def test_a_node_is_named_by_its_layer_and_id():
    assert name_of(NETWORK, 0) == "input"
    assert name_of(NETWORK, 5) == "convolution 5"
    with pytest.raises(InvalidArchitecture, match="no node 99"):
        name_of(NETWORK, 99)


def test_no_block_is_tried_behind_the_logits_and_zeros():
    assert excluded_nodes(NETWORK) == {12}
    assert excluded_nodes(NETWORK.with_layers({3: Zero()})) == {3, 12}


def test_the_number_format_is_that_of_any_array():
    assert dtype_of({1: {}, 2: {"weight": np.ones(2)}}) == np.float64
    assert dtype_of({}) == np.float32
