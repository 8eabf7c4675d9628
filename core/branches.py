"""Residual branches: with what gain the layer that ends one starts.

Where values are added to others, their variances add up, and with them the changes that one step
of training makes. Therefore a branch starts smaller than what it is added to:

- where a batch norm ends it, at 1 / √L in a network of L sums, so that all of them together do not
  triple the variance, since (1 + 1 / L)^L < e (Hayou et al. 2021, arXiv:2010.12859);
- where no batch norm bounds what a step changes, at zero (Zhang, Dauphin & Ma 2019,
  arXiv:1901.09321).

Norms at zero, too (Goyal et al. 2017, arXiv:1706.02677), made shallow networks learn more slowly.
"""

from core.architecture import Architecture, Node
from core.layers import Add, BatchNorm, Dropout, Gate


def branch_gains(architecture: Architecture) -> dict[int, float]:
    """The gain with which each layer starts that ends a branch, by node id.

    A layer that a gate alone reads starts at zero, too, so that the gate's factors are all one.
    """
    sums = [node for node in architecture.nodes if isinstance(node.layer, Add)]
    depths = _depths(architecture) if sums else {}
    ends = [end for node in sums for end in _ends(architecture, node, depths)]
    normed = {end: isinstance(architecture.node(end).layer, BatchNorm) for end in ends}
    gains = {end: len(sums) ** -0.5 if norm else 0.0 for end, norm in normed.items()}
    return gains | dict.fromkeys(_gated(architecture), 0.0)


def _ends(architecture: Architecture, node: Node, depths: dict[int, int]) -> list[int]:
    """The last layers with weights of the branches of a sum.

    One of its inputs keeps its size: one that cannot be scaled on its own, as one that is read
    twice, else the deepest.
    """
    single = [source for source in node.inputs if node.inputs.count(source) == 1]
    found = {source: _end(architecture, source) for source in single}
    if len(single) == len(node.inputs) and None not in found.values():
        del found[max(found, key=lambda source: depths[source])]
    return [end for end in found.values() if end is not None]


def _end(architecture: Architecture, node_id: int) -> int | None:
    """The layer with weights whose outputs these are, if nothing else reads them."""
    node = architecture.node(node_id)
    if len(architecture.readers(node_id)) != 1:
        return None
    if isinstance(node.layer, Dropout):
        return _end(architecture, node.inputs[0])
    return node_id if node.layer.axes else None


def _gated(architecture: Architecture) -> list[int]:
    """The layers with weights that a gate alone reads."""
    gates = [node for node in architecture.nodes if isinstance(node.layer, Gate)]
    found = [_end(architecture, gate.inputs[0]) for gate in gates]
    return [end for end in found if end is not None]


def _depths(architecture: Architecture) -> dict[int, int]:
    """How many layers with weights, norms left out, are on the longest way to each node."""
    depths: dict[int, int] = {}
    for node in architecture.nodes:
        counts = bool(node.layer.axes) and not isinstance(node.layer, BatchNorm)
        depths[node.id] = counts + max([depths[source] for source in node.inputs], default=0)
    return depths
