"""Values on their way through an architecture, each kept until its last reader has read it."""

from collections import Counter
from collections.abc import Callable

from core.architecture import Architecture, Node
from core.layers import Array

Compute = Callable[[Node, list[Array]], Array]  # a node and what it reads -> what it gives


def propagate(architecture: Architecture, x: Array, compute: Compute) -> Array:
    """The values of the last node, each node's computed once, in topological order."""
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    for node in others:
        values[node.id] = compute(node, [values[source] for source in node.inputs])
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]
    return values[architecture.nodes[-1].id]
