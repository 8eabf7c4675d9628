"""Checks of a graph's nodes and edges, apart from the shapes of its layers."""

from collections.abc import Sequence

from core.errors import InvalidArchitecture
from core.graph.node import Node
from core.layers import LAYERS, Embedding, Input, Output


def check_ends(nodes: Sequence[Node]) -> None:
    """Raise InvalidArchitecture unless one input comes first and one output last."""
    kinds: list[type] = [type(node.layer) for node in nodes]
    for kind, index, name in ((Input, 0, "input, its first"), (Output, -1, "output, its last")):
        if kinds.count(kind) != 1 or kinds[index] is not kind:
            found = [LAYERS.kind_of(node.layer) for node in nodes]
            raise InvalidArchitecture(f"an architecture has one {name} node; found {found}")


def check_edges(nodes: Sequence[Node], checked: int) -> None:
    """Raise InvalidArchitecture unless ids are unique and every edge comes from an earlier node.

    The first `checked` nodes are known to be valid.
    """
    seen = {node.id for node in nodes[:checked]}
    for node in nodes[checked:]:
        if node.id in seen:
            raise InvalidArchitecture(f"two nodes have the id {node.id}; expected unique ids")
        if not seen.issuperset(node.inputs):
            unknown = [source for source in node.inputs if source not in seen]
            raise InvalidArchitecture(
                f"node {node.id} reads {unknown}; expected earlier nodes, of {sorted(seen)}"
            )
        seen.add(node.id)


def check_all_read(nodes: Sequence[Node]) -> None:
    """Raise InvalidArchitecture unless every node but the output is read."""
    read = {source for node in nodes for source in node.inputs}
    if unread := {node.id for node in nodes[:-1]} - read:
        raise InvalidArchitecture(
            f"no node reads {sorted(unread)}; expected a path from every node to the output"
        )


def check_embeddings(nodes: Sequence[Node]) -> None:
    """Raise InvalidArchitecture unless token numbers are read by embeddings, and nothing else is.

    Token numbers are names of tokens: no other layer can compute with them.
    """
    tokens = (nodes[0].id,)
    embeddings = [node for node in nodes if isinstance(node.layer, Embedding)]
    if not embeddings:
        return
    if misplaced := [node.id for node in embeddings if node.inputs != tokens]:
        raise InvalidArchitecture(
            f"the embeddings {misplaced} read other layers; expected them behind the input alone"
        )
    if others := [n.id for n in nodes if tokens[0] in n.inputs and n not in embeddings]:
        raise InvalidArchitecture(
            f"the nodes {others} read the token numbers of the input; expected embeddings alone"
        )
