"""Architectures: validation, JSON, and derived facts."""

import json
import pickle

import pytest
from hypothesis import given

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
)
from tests.strategies import architectures, morphed_architectures, morphism_chains


def small() -> tuple[Node, ...]:
    return (
        Node(0, Input((1, 8, 8))),
        Node(1, Conv2d(4), (0,)),
        Node(2, BatchNorm(), (1,)),
        Node(3, ReLU(), (2,)),
        Node(4, MaxPool2d(), (3,)),
        Node(5, Flatten(), (4,)),
        Node(6, Dense(3), (5,)),
        Node(7, Output(), (6,)),
    )


def changed(index: int, node: Node) -> tuple[Node, ...]:
    nodes = list(small())
    nodes[index] = node
    return tuple(nodes)


def test_shapes_parameters_and_readers_of_a_small_network():
    architecture = Architecture(small())
    assert architecture.input_shape == (1, 8, 8)
    assert architecture.output_shape == (3,)
    assert architecture.shapes[4] == (4, 4, 4)
    assert architecture.shapes[5] == (64,)
    assert architecture.parameters == (4 * 9 + 4) + (4 + 4) + (64 * 3 + 3)
    assert architecture.readers(3) == (4,)
    assert architecture.logits == 6
    assert architecture.next_id == 8
    assert [architecture.nonnegative[i] for i in range(8)] == [False] * 3 + [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), "one input"),
        (small()[1:], "one input"),
        (small()[:-1], "one output"),
        (changed(1, Node(1, Input((1, 8, 8)))), "one input"),
        (changed(6, Node(6, Output(), (5,))), "one output"),
        (changed(2, Node(1, BatchNorm(), (1,))), "two nodes have the id 1"),
        (changed(2, Node(2, BatchNorm(), (3,))), r"node 2 reads \[3\]"),
        (changed(2, Node(2, BatchNorm(), (2,))), r"node 2 reads \[2\]"),
        (changed(2, Node(2, BatchNorm(), (9,))), r"node 2 reads \[9\]"),
        (changed(2, Node(2, BatchNorm(), ())), "node 2: has 0 inputs; expected 1"),
        (changed(2, Node(2, BatchNorm(), (0, 1))), "node 2: has 2 inputs; expected 1"),
        (changed(2, Node(2, Add(), (1,))), "node 2: has 1 inputs; expected two or more"),
        (changed(2, Node(2, Add(), (0, 1))), "node 2: Add got inputs of shapes"),
        (changed(4, Node(4, MaxPool2d(9, 9), (3,))), "node 4: MaxPool2d of size 9 got an input"),
        (changed(5, Node(5, ReLU(), (4,))), "node 6: Dense got an input of shape"),
        (changed(6, Node(6, ReLU(), (4,))), "node 7: Output got an input of shape"),
        (changed(3, Node(3, ReLU(), (1,))), r"no node reads \[2\]"),
    ],
)
def test_a_graph_that_cannot_exist_is_refused(nodes, message):
    with pytest.raises(InvalidArchitecture, match=message):
        Architecture(nodes)


def test_a_concatenation_of_different_images_is_refused():
    nodes = (
        Node(0, Input((1, 8, 8))),
        Node(1, MaxPool2d(), (0,)),
        Node(2, Concat(), (0, 1)),
        Node(3, Flatten(), (2,)),
        Node(4, Output(), (3,)),
    )
    with pytest.raises(InvalidArchitecture, match="differ only in their channels"):
        Architecture(nodes)


def test_an_unknown_node_is_refused_by_name():
    with pytest.raises(InvalidArchitecture, match="there is no node 99"):
        Architecture(small()).readers(99)


def test_an_architecture_cannot_be_changed():
    with pytest.raises(AttributeError):
        Architecture(small()).nodes = ()


@given(architecture=morphed_architectures())
def test_json_round_trip_keeps_the_graph_and_its_ids(architecture):
    again = Architecture.from_json(json.loads(architecture.canonical_json()))
    assert again == architecture
    assert again.nodes == architecture.nodes
    assert again.canonical_json() == architecture.canonical_json()


@given(architecture=architectures())
def test_an_architecture_survives_pickling_with_its_derived_facts(architecture):
    assert architecture.segments
    again = pickle.loads(pickle.dumps(architecture))
    assert again == architecture
    assert again.nodes == architecture.nodes
    assert again.segments == architecture.segments


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"version": 1},
        {"version": 2, "nodes": []},
        {"version": 1, "nodes": []},
        {"version": 1, "nodes": {}},
        {"version": 1, "nodes": [], "more": 0},
        {"version": 1, "nodes": [1]},
        {"version": 1, "nodes": [{"id": 0, "kind": "input", "shape": [1]}]},
        {"version": 1, "nodes": [{"id": "0", "kind": "input", "shape": [1], "inputs": []}]},
        {"version": 1, "nodes": [{"id": True, "kind": "input", "shape": [1], "inputs": []}]},
        {"version": 1, "nodes": [{"id": -1, "kind": "input", "shape": [1], "inputs": []}]},
        {"version": 1, "nodes": [{"id": 0, "kind": "input", "shape": [1], "inputs": 3}]},
        {"version": 1, "nodes": [{"id": 0, "kind": ["input"], "shape": [1], "inputs": []}]},
        {"version": 1, "nodes": [{"id": 0, "kind": "nothing", "inputs": []}]},
        {"version": 1, "nodes": [{"id": 0, "kind": "input", "shape": [1, 2], "inputs": []}]},
    ],
)
def test_json_that_is_no_architecture_is_refused(data):
    with pytest.raises(InvalidArchitecture):
        Architecture.from_json(data)


@given(one=morphed_architectures(), other=architectures(), chain=morphism_chains(length=3))
def test_an_architecture_does_not_depend_on_the_one_that_it_is_made_from(one, other, chain):
    alone = Architecture(one.nodes)
    for like in (one, other, *chain.architectures):
        made = Architecture(one.nodes, like)
        assert made.shapes == alone.shapes
        assert list(made.shapes) == [node.id for node in one.nodes]
        assert made.costs == alone.costs
        assert made.fingerprint == alone.fingerprint


def test_a_layer_that_does_not_fit_is_refused_even_beside_checked_nodes():
    known = Architecture(small())
    with pytest.raises(InvalidArchitecture, match="node 1"):
        Architecture(changed(1, Node(1, Add(), (0,))), known)
    wide = Architecture(changed(1, Node(1, Conv2d(6), (0,))), known)
    assert wide.shapes[5] == (96,)
    assert wide.parameters == Architecture(wide.nodes).parameters
