"""What an architecture costs, and whether it is within the bounds of a search."""

from collections.abc import Sequence

from core.architecture import Architecture
from core.contracts import Bounds, Cost
from core.cost import training_memory
from core.latency import ORDINARY_SPEED, Speed, learn
from core.layers import Channels

BATCH_SIZE = 64  # for which `Bounds.memory` is meant


class Limits(Bounds):
    """The bounds of a search that has measured how fast its device is."""

    speed: Speed


def limits(bounds: Bounds, measured: Sequence[tuple[Architecture, float]]) -> Limits:
    """The bounds with the speed at which networks took so many seconds."""
    return Limits(**dict(bounds) | {"speed": learn(measured)})


def latency(architecture: Architecture, bounds: Bounds) -> float:
    """The predicted seconds for one example, as far as the bounds know the device."""
    speed = bounds.speed if isinstance(bounds, Limits) else ORDINARY_SPEED
    return speed.latency(architecture)


def cost(kind: Cost, architecture: Architecture, bounds: Bounds) -> float:
    """What the architecture costs: known, or as far as the bounds know the device."""
    match kind:
        case Cost.PARAMETERS:
            return float(architecture.parameters)
        case Cost.FLOPS:
            return float(architecture.flops)
        case Cost.LATENCY:
            return latency(architecture, bounds)


def width(architecture: Architecture) -> int:
    """The most channels that any layer but the last dense one makes."""
    logits, own = architecture.sources[-1][0], Channels.OWN
    widths = [
        facts.shape[0]
        for place, facts in enumerate(architecture.facts)
        if facts.layer.channels is own and place != logits
    ]
    return max(widths, default=0)


def fits(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether a search with these bounds may suggest the architecture."""
    return (
        len(architecture.nodes) <= bounds.layers
        and width(architecture) <= bounds.width
        and architecture.parameters <= bounds.parameters
        and (bounds.flops is None or architecture.flops <= bounds.flops)
        and (bounds.memory is None or training_memory(architecture, BATCH_SIZE) <= bounds.memory)
        and (bounds.latency is None or latency(architecture, bounds) <= bounds.latency)
    )
