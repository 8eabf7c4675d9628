"""Nodes and their JSON."""

import pytest

from core.errors import InvalidArchitecture
from core.graph.node import Node, spatial_inputs
from core.layers import Add, Conv2d, Scale

DATA = {"id": 5, "kind": "conv2d", "filters": 4, "kernel": 3, "stride": 1, "inputs": [2]}


def test_json_has_the_id_the_layer_and_the_inputs():
    assert Node(5, Conv2d(4), (2,)).to_json() == DATA
    assert Node.from_json(DATA) == Node(5, Conv2d(4), (2,))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "a node has at least id, kind and inputs; found None"),
        ([5], "a node has at least id, kind and inputs"),
        ({"id": 5, "inputs": []}, "a node has at least id, kind and inputs"),
        (DATA | {"id": "5"}, "a node has id '5' and inputs .*; expected a non-negative integer"),
        (DATA | {"id": -1}, "a node has id -1"),
        (DATA | {"id": True}, "a node has id True"),
        (DATA | {"inputs": 2}, "and inputs 2; expected"),
        (DATA | {"inputs": [2.0]}, r"and inputs \[2.0\]; expected"),
        (DATA | {"inputs": [-2]}, r"and inputs \[-2\]; expected"),
        (DATA | {"filters": 0}, "Conv2d has filters 0"),
        (DATA | {"colour": "red"}, "has the fields"),
    ],
)
def test_json_of_no_node_says_what_was_found_and_expected(data, message):
    with pytest.raises(InvalidArchitecture, match=message):
        Node.from_json(data)


def test_the_factors_of_a_scaling_do_not_determine_the_spatial_axes():
    assert spatial_inputs(Node(5, Scale(), (2, 4))) == (2,)
    assert spatial_inputs(Node(5, Add(), (2, 4))) == (2, 4)
