"""Width segments, against a union of single channels."""

import pytest
from hypothesis import assume, given

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Add, Channels, Concat, Conv2d, Dense, Flatten, Input, MaxPool2d, Output
from tests.strategies import architectures, morphed_architectures


class Union:
    """Sets of channels that must be the same one; a channel is (node, index)."""

    def __init__(self) -> None:
        self._parents: dict[tuple[int, int], tuple[int, int]] = {}

    def find(self, channel):
        while channel in self._parents:
            channel = self._parents[channel]
        return channel

    def join(self, a, b) -> None:
        if self.find(a) != self.find(b):
            self._parents[self.find(a)] = self.find(b)


def single_channels(architecture: Architecture):
    """For each node the channel that every entry of its channel axis stands for."""
    union, channels = Union(), {}
    for node in architecture.nodes:
        sources = [channels[source] for source in node.inputs]
        width = architecture.shapes[node.id][0]
        match node.layer.channels:
            case Channels.GIVEN | Channels.OWN:
                channels[node.id] = [(node.id, index) for index in range(width)]
            case Channels.SAME | Channels.UNIFIED:
                channels[node.id] = sources[0]
                for other in sources[1:]:
                    for a, b in zip(sources[0], other, strict=True):
                        union.join(a, b)
            case Channels.JOINED:
                channels[node.id] = [channel for source in sources for channel in source]
            case Channels.FLATTENED:
                repeat = width // len(sources[0])
                channels[node.id] = [channel for channel in sources[0] for _ in range(repeat)]
    return {key: [union.find(channel) for channel in one] for key, one in channels.items()}


def spread(segments):
    """The (variable, index) that every entry of an axis stands for."""
    return [
        (segment.variable, index)
        for segment in segments
        for index in range(segment.width)
        for _ in range(segment.repeat)
    ]


def sums_of_like(architecture: Architecture) -> bool:
    """Whether no sum adds flattened channels to plain ones, which freezes all of them."""
    return all(
        len({s.repeat for source in node.inputs for s in architecture.segments[source]}) == 1
        for node in architecture.nodes
        if node.layer.channels is Channels.UNIFIED
    )


@given(architecture=morphed_architectures())
def test_entries_share_a_variable_exactly_when_they_must_be_one_channel(architecture):
    assume(sums_of_like(architecture))
    expected = single_channels(architecture)
    pairs = set()
    for node in architecture.nodes:
        segments = architecture.segments[node.id]
        assert sum(segment.length for segment in segments) == architecture.shapes[node.id][0]
        pairs |= set(zip(spread(segments), expected[node.id], strict=True))
    assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})


@given(architecture=architectures())
def test_a_variable_has_one_width_and_is_frozen_everywhere_or_nowhere(architecture):
    known = {}
    for segments in architecture.segments.values():
        for segment in segments:
            assert known.setdefault(segment.variable, segment.width) == segment.width
    frozen = {s.variable for one in architecture.segments.values() for s in one if s.frozen}
    free = {s.variable for one in architecture.segments.values() for s in one if not s.frozen}
    assert not frozen & free
    for end in (architecture.nodes[0], architecture.nodes[-1]):
        assert all(segment.frozen for segment in architecture.segments[end.id])


def network(*nodes: Node) -> Architecture:
    last = nodes[-1].id
    return Architecture(
        (
            Node(0, Input((2, 4, 4))),
            *nodes,
            Node(100, Flatten(), (last,)),
            Node(101, Dense(3), (100,)),
            Node(102, Output(), (101,)),
        )
    )


def widths(architecture: Architecture, node_id: int):
    return [(s.variable, s.width, s.repeat) for s in architecture.segments[node_id]]


def test_one_tensor_twice_in_a_concatenation_is_one_variable_at_two_positions():
    architecture = network(Node(1, Conv2d(3), (0,)), Node(2, Concat(), (1, 1)))
    (one,) = architecture.segments[1]
    assert architecture.segments[2] == (one, one)
    assert [s.repeat for s in architecture.segments[100]] == [16, 16]


def test_a_sum_with_a_concatenation_splits_the_other_sides_width():
    architecture = network(
        Node(1, Conv2d(3), (0,)),
        Node(2, Conv2d(5), (0,)),
        Node(3, Concat(), (1, 2)),
        Node(4, Conv2d(8), (0,)),
        Node(5, Add(), (3, 4)),
    )
    assert widths(architecture, 4) == widths(architecture, 1) + widths(architecture, 2)


def test_shifted_overlaps_make_all_channels_one_variable_each():
    """With (a, b) + (b, a) of widths 8 and 4, every run of four is the same variable."""
    architecture = network(
        Node(1, Conv2d(8), (0,)),
        Node(2, Conv2d(4), (0,)),
        Node(3, Concat(), (1, 2)),
        Node(4, Concat(), (2, 1)),
        Node(5, Add(), (3, 4)),
    )
    (b,) = architecture.segments[2]
    assert architecture.segments[1] == (b, b)


def test_a_sum_of_flattened_with_plain_features_is_frozen():
    architecture = Architecture(
        (
            Node(0, Input((1, 4, 4))),
            Node(1, Conv2d(3), (0,)),
            Node(2, MaxPool2d(), (1,)),
            Node(3, Flatten(), (2,)),
            Node(4, Dense(12), (3,)),
            Node(5, Add(), (3, 4)),
            Node(6, Dense(2), (5,)),
            Node(7, Output(), (6,)),
        )
    )
    assert all(s.frozen for node_id in (1, 3, 4, 5) for s in architecture.segments[node_id])


@pytest.mark.parametrize("logits", ["dense", "sum"])
def test_the_classes_are_frozen_even_behind_a_sum(logits):
    nodes = [Node(0, Input((5,))), Node(1, Dense(3), (0,)), Node(2, Dense(3), (0,))]
    tail = [Node(3, Add(), (1, 2)), Node(4, Output(), (3,))]
    if logits == "dense":
        nodes, tail = nodes[:2], [Node(4, Output(), (1,))]
    architecture = Architecture((*nodes, *tail))
    assert all(s.frozen for node in nodes for s in architecture.segments[node.id])
