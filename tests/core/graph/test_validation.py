"""The checks of nodes and edges, one by one; `test_architecture` has them together."""

import pytest

from core.errors import InvalidArchitecture
from core.graph.node import Node
from core.graph.validation import check_all_read, check_edges, check_ends
from core.layers import Input, Output, ReLU

CHAIN = (Node(0, Input((3,))), Node(1, ReLU(), (0,)), Node(2, Output(), (1,)))


def test_a_chain_passes_every_check():
    check_ends(CHAIN)
    check_edges(CHAIN, 0)
    check_all_read(CHAIN)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), r"one input, its first node; found \[\]"),
        (CHAIN[::-1], r"one input, its first node; found \['output', 'relu', 'input'\]"),
        ((CHAIN[0], *CHAIN), "one input, its first node"),
        (CHAIN[:2], r"one output, its last node; found \['input', 'relu'\]"),
        ((CHAIN[0], CHAIN[2], CHAIN[1]), "one output, its last node"),
    ],
)
def test_the_input_comes_first_and_the_output_last(nodes, message):
    with pytest.raises(InvalidArchitecture, match=message):
        check_ends(nodes)


def test_an_edge_comes_from_an_earlier_node():
    with pytest.raises(InvalidArchitecture, match=r"node 1 reads \[7\]; expected earlier nodes"):
        check_edges((CHAIN[0], Node(1, ReLU(), (0, 7)), CHAIN[2]), 0)
    with pytest.raises(InvalidArchitecture, match=r"node 1 reads \[1\]"):
        check_edges((CHAIN[0], Node(1, ReLU(), (1,)), CHAIN[2]), 0)


def test_ids_are_unique_even_beside_nodes_that_were_checked_before():
    for checked in (0, 2):
        with pytest.raises(InvalidArchitecture, match="two nodes have the id 1"):
            check_edges((*CHAIN[:2], Node(1, ReLU(), (1,)), CHAIN[2]), checked)


def test_every_node_leads_to_the_output():
    with pytest.raises(InvalidArchitecture, match=r"no node reads \[3, 5\]; expected a path"):
        check_all_read((*CHAIN[:2], Node(5, ReLU(), (1,)), Node(3, ReLU(), (1,)), CHAIN[2]))
