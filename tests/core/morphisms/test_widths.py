"""Width variables: which may change, which layers make them, and how they are resized."""

import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Add, Concat, Conv2d, Dense, Flatten, Input, Output
from core.morphisms.widths import free_widths, in_words, producers, resize, width_at

#: Convolution 3 makes the channels of 1 twice; convolution 4 is tied to the data.
NETWORK = Architecture(
    (
        Node(0, Input((2, 4, 4))),
        Node(1, Conv2d(3), (0,)),
        Node(2, Concat(), (1, 1)),
        Node(3, Conv2d(6), (0,)),
        Node(4, Conv2d(2), (0,)),
        Node(5, Add(), (2, 3)),
        Node(6, Add(), (4, 0)),
        Node(7, Concat(), (5, 6)),
        Node(8, Flatten(), (7,)),
        Node(9, Dense(5), (8,)),
        Node(10, Dense(3), (9,)),
        Node(11, Output(), (10,)),
    )
)


def test_each_free_width_is_listed_once_where_it_is_first_made():
    assert [(node.id, index, one.width) for node, index, one in free_widths(NETWORK)] == [
        (1, 0, 3),
        (9, 0, 5),
    ]


def test_the_makers_of_a_width_are_counted_with_its_occurrences():
    variable = NETWORK.segments[1][0].variable
    assert [(node.id, count) for node, count in producers(NETWORK, variable)] == [(1, 1), (3, 2)]


@pytest.mark.parametrize(("more", "widths"), [(2, (5, 10, 10)), (-1, (2, 4, 4))])
def test_a_width_is_resized_wherever_it_is_made(more, widths):
    child = resize(NETWORK, NETWORK.segments[1][0].variable, more)
    assert tuple(child.shapes[node_id][0] for node_id in (1, 3, 5)) == widths
    assert child.shapes[4] == NETWORK.shapes[4]


@pytest.mark.parametrize(
    ("node_id", "index", "message"),
    [
        (4, 0, "segment 0 of node 4 is tied to the data or the classes"),
        (5, 0, "is not a width; expected a segment of a convolution or dense layer"),
        (3, 2, "segment 2 of node 3 .* is not a width"),
        (3, -1, "is not a width"),
        (10, 0, "cannot be changed"),
    ],
)
def test_a_width_that_must_not_change_is_refused(node_id, index, message):
    with pytest.raises(IllegalMorphism, match=message):
        width_at(NETWORK, node_id, index)
    assert width_at(NETWORK, 3, 1) == NETWORK.segments[1][0]


def test_a_change_of_a_width_in_words():
    child = resize(NETWORK, NETWORK.segments[9][0].variable, 3)
    assert in_words("widen", NETWORK, 9, child) == "widen dense layer 9 from 5 to 8 channels"
