"""Skip connections: where they are offered, and how they pass pools."""

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
from core.protocol.contracts.bounds import Bounds

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
