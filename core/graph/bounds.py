"""What an architecture costs, and whether it is within the bounds of a search."""

from collections.abc import Sequence

from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.graph.latency import ORDINARY_SPEED, Speed, learn
from core.graph.speed import ORDINARY_SPEED as ORDINARY_TRAINING_SPEED
from core.graph.speed import TrainingSpeed
from core.graph.speed import learn as learn_training
from core.layers import Channels
from core.protocol.contracts import Bounds, Cost

BATCH_SIZE = 64  # for which `Bounds.memory` is meant


class MeasuredBounds(Bounds):
    """The bounds of a search that has measured how fast its workers are."""

    speed: Speed = ORDINARY_SPEED
    training_speed: TrainingSpeed = ORDINARY_TRAINING_SPEED
    example_seconds: float | None = None  # most seconds of training for one example


def measured_bounds(
    bounds: Bounds,
    latencies: Sequence[tuple[Architecture, float]] = (),
    trainings: Sequence[tuple[Architecture, float]] = (),
    example_seconds: float | None = None,
) -> MeasuredBounds:
    """The bounds with the speeds at which networks took so many seconds for one example.

    `latencies` are those of predicting, `trainings` those of training.
    """
    learned = {
        "speed": learn(latencies),
        "training_speed": learn_training(trainings),
        "example_seconds": example_seconds,
    }
    return MeasuredBounds(**dict(bounds) | learned)


def latency(architecture: Architecture, bounds: Bounds) -> float:
    """The predicted seconds for one example, as far as the bounds know the device."""
    speed = bounds.speed if isinstance(bounds, MeasuredBounds) else ORDINARY_SPEED
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
        and (
            bounds.memory is None
            or training_memory(architecture.costs, BATCH_SIZE) <= bounds.memory
        )
        and (bounds.latency is None or latency(architecture, bounds) <= bounds.latency)
        and _is_trained_in_time(architecture, bounds)
    )


def _is_trained_in_time(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether it can be trained for enough epochs, as far as the bounds know the workers."""
    if not isinstance(bounds, MeasuredBounds) or bounds.example_seconds is None:
        return True
    return bounds.training_speed.seconds(architecture) <= bounds.example_seconds
