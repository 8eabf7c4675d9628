"""Skip connections: where they go, and how they get past pools."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
    ReLU6,
    Zero,
)
from core.morphisms.add_skip import AddSkip
from core.morphisms.concat_skip import ConcatSkip
from core.protocol.contracts import Bounds
from tests.strategies import random_weights

NETWORK = Architecture(
    (
        Node(0, Input((1, 9, 9))),
        Node(1, Conv2d(4), (0,)),
        Node(2, BatchNorm(), (1,)),
        Node(3, ReLU(), (2,)),
        Node(4, MaxPool2d(), (3,)),
        Node(5, Conv2d(5, stride=2), (4,)),
        Node(6, ReLU(), (5,)),
        Node(7, Conv2d(6), (6,)),
        Node(8, ReLU(), (7,)),
        Node(9, Flatten(), (8,)),
        Node(10, Dense(7), (9,)),
        Node(11, ReLU(), (10,)),
        Node(12, Dense(3), (11,)),
        Node(13, Output(), (12,)),
    )
)


def test_skips_lead_from_activations_over_a_relu_into_the_next():
    found = [(m.start, m.end) for m in AddSkip.candidates(NETWORK, Bounds())]
    assert found == [(m.start, m.end) for m in ConcatSkip.candidates(NETWORK, Bounds())]
    assert found == [(0, 5), (0, 7), (0, 10), (4, 7), (4, 10), (6, 10)]


def test_pools_and_strides_on_the_way_are_copied_onto_the_skip():
    child = AddSkip(0, 7).apply(NETWORK)
    added = {node.id: node.layer for node in child.nodes if node.id > 13}
    assert list(added.values())[:3] == [MaxPool2d(), AvgPool2d(2, 2), Conv2d(6, 1)]
    assert child.node(17).inputs == (7, 16)
    assert child.node(8).inputs == (17,)


def test_a_skip_from_an_image_to_features_flattens_on_its_way():
    child = ConcatSkip(6, 10).apply(NETWORK)
    assert [child.node(i).layer for i in (14, 16)] == [Flatten(), Dense(7)]
    assert child.shapes[15] == (7 + 5 * 4,)
    assert child.node(11).inputs == (16,)


def test_a_skip_that_is_there_is_not_offered_again():
    child = AddSkip(4, 7).apply(NETWORK)
    sums = [(m.start, m.end) for m in AddSkip.candidates(child, Bounds())]
    assert (4, 16) not in sums
    assert (0, 16) in sums


def with_layers(**layers):
    """The network with other layers at nodes such as `n4`."""
    return NETWORK.with_layers({int(name[1:]): layer for name, layer in layers.items()})


def test_a_relu6_is_an_activation_like_a_relu():
    network = with_layers(n3=ReLU6(), n6=ReLU6(), n8=ReLU6(), n11=ReLU6())
    assert list(AddSkip.candidates(network, Bounds())) == list(
        AddSkip.candidates(NETWORK, Bounds())
    )


def test_a_skip_passes_a_padded_pool_that_keeps_the_sides_and_copies_one_that_does_not():
    kept = AddSkip(0, 7).apply(with_layers(n4=MaxPool2d(3, 1, 1)))
    assert next(node.layer for node in kept.nodes if node.id > 13) == AvgPool2d(1, 2)
    reduced = AddSkip(0, 7).apply(with_layers(n4=MaxPool2d(3, 2, 1)))
    added = [node.layer for node in reduced.nodes if node.id > 13]
    assert added[:2] == [MaxPool2d(3, 2, 1), AvgPool2d(1, 2)]


def test_no_skip_starts_from_zeros_but_one_may_pass_them_by():
    network = with_layers(n4=Zero(2))
    found = [(m.start, m.end) for m in AddSkip.candidates(network, Bounds())]
    assert found == [(0, 5), (0, 7), (0, 10), (6, 10)]
    added = [node.layer for node in AddSkip(0, 7).apply(network).nodes if node.id > 13]
    assert added[0] == AvgPool2d(1, 2)


@pytest.mark.parametrize("cls", [AddSkip, ConcatSkip])
@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (7, 3, "goes forwards"),
        (3, 3, "goes forwards"),
        (3, 12, "cannot be changed"),
        (3, 13, "cannot be changed"),
        (99, 7, "cannot be changed"),
    ],
)
def test_a_skip_that_leads_nowhere_is_illegal(cls, start, end, message):
    with pytest.raises(IllegalMorphism, match=message):
        cls(start, end).apply(NETWORK)


def test_new_projections_start_at_zero_and_as_the_identity():
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    added = AddSkip(4, 7).transfer(NETWORK, weights, rng)
    assert not added[15]["weight"].any()
    joined = ConcatSkip(4, 7).transfer(NETWORK, weights, rng)[16]["weight"][:, :, 0, 0]
    np.testing.assert_array_equal(joined, np.eye(6, 10))


def test_skips_in_words():
    assert AddSkip(4, 7).describe(NETWORK) == "add a skip from max pool 4 to convolution 7"
    assert ConcatSkip(0, 7).describe(NETWORK) == ("concatenate a skip from input to convolution 7")
