"""Whether an architecture is within the bounds of a search."""

from core.architecture import Architecture
from core.contracts import Bounds
from core.cost import training_memory
from core.layers import Channels

BATCH_SIZE = 64  # for which `Bounds.memory` is meant


def width(architecture: Architecture) -> int:
    """The most channels that any layer but the last dense one makes."""
    return max(
        (
            architecture.shapes[node.id][0]
            for node in architecture.nodes
            if node.layer.channels is Channels.OWN and node.id != architecture.logits
        ),
        default=0,
    )


def fits(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether a search with these bounds may suggest the architecture."""
    return (
        len(architecture.nodes) <= bounds.layers
        and width(architecture) <= bounds.width
        and architecture.parameters <= bounds.parameters
        and (bounds.flops is None or architecture.flops <= bounds.flops)
        and (bounds.memory is None or training_memory(architecture, BATCH_SIZE) <= bounds.memory)
    )
