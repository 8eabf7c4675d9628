"""What must be right of a graph's nodes before its layers are looked at."""

from collections.abc import Sequence

from core.errors import InvalidArchitecture
from core.graph.node import Node
from core.layers import LAYERS, Input, Output


def check_ends(nodes: Sequence[Node]) -> None:
    """Raise InvalidArchitecture unless the nodes go from the one input to the one output."""
    kinds: list[type] = [type(node.layer) for node in nodes]
    for kind, place, name in ((Input, 0, "input, its first"), (Output, -1, "output, its last")):
        if kinds.count(kind) != 1 or kinds[place] is not kind:
            found = [LAYERS.kind_of(node.layer) for node in nodes]
            raise InvalidArchitecture(f"an architecture has one {name} node; found {found}")


def check_edges(nodes: Sequence[Node], checked: int) -> None:
    """Raise InvalidArchitecture unless ids are unique and every edge comes from before.

    The first `checked` nodes are known to be right.
    """
    seen = {node.id for node in nodes[:checked]}
    for node in nodes[checked:]:
        if node.id in seen:
            raise InvalidArchitecture(f"two nodes have the id {node.id}; expected unique ids")
        if not seen.issuperset(node.inputs):
            unknown = [source for source in node.inputs if source not in seen]
            raise InvalidArchitecture(
                f"node {node.id} reads {unknown}, not among the nodes before it: {sorted(seen)}"
            )
        seen.add(node.id)


def check_all_read(nodes: Sequence[Node]) -> None:
    """Raise InvalidArchitecture unless every node but the output is read."""
    read = {source for node in nodes for source in node.inputs}
    if unread := {node.id for node in nodes[:-1]} - read:
        raise InvalidArchitecture(
            f"nobody reads the nodes {sorted(unread)}; expected a path to the output"
        )
