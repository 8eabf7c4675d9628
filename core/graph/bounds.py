"""The cost of an architecture, and whether it is within the bounds of a search."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.graph.latency import PRIOR_SPEED, Speed, learn
from core.graph.speed import PRIOR_SPEED as PRIOR_TRAINING_SPEED
from core.graph.speed import TrainingSpeed
from core.graph.speed import learn as learn_training
from core.layers import LAYERS, Channels
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost

BATCH_SIZE = 64  # examples; `Bounds.memory` is for a batch of this size


@dataclass(frozen=True, slots=True)
class ExceededMemory:
    """An estimate of `training_memory` at which every device that is there ran out of memory."""

    bytes: int
    batch_size: int  # of the search that asks


class MeasuredBounds(Bounds):
    """The bounds of a search, with the measured speed and memory of its workers."""

    speed: Speed = PRIOR_SPEED
    training_speed: TrainingSpeed = PRIOR_TRAINING_SPEED
    example_seconds: float | None = None  # at most, of training for one example
    exceeded_memory: ExceededMemory | None = None


def measured_bounds(
    bounds: Bounds,
    latencies: Sequence[tuple[Architecture, float]] = (),
    trainings: Sequence[tuple[Architecture, float]] = (),
    example_seconds: float | None = None,
    exceeded_memory: ExceededMemory | None = None,
) -> MeasuredBounds:
    """The bounds with the speeds learned from measured seconds for one example.

    `latencies` are measurements of predicting one example, `trainings` of training on one;
    `example_seconds` limits the predicted seconds of training for one example, `exceeded_memory`
    the estimated memory.
    """
    learned = {
        "speed": learn(latencies),
        "training_speed": learn_training(trainings),
        "example_seconds": example_seconds,
        "exceeded_memory": exceeded_memory,
    }
    return MeasuredBounds(**dict(bounds) | learned)


def latency(architecture: Architecture, bounds: Bounds) -> float:
    """The predicted seconds for one example.

    Bounds without measurements assume the prior speed of `core.graph.latency`.
    """
    speed = bounds.speed if isinstance(bounds, MeasuredBounds) else PRIOR_SPEED
    return speed.latency(architecture)


def cost(kind: Cost, architecture: Architecture, bounds: Bounds) -> float:
    """The cost of the architecture: parameters, FLOPs of one example, or predicted seconds."""
    match kind:
        case Cost.PARAMETERS:
            return float(architecture.parameters)
        case Cost.FLOPS:
            return float(architecture.flops)
        case Cost.LATENCY:
            return latency(architecture, bounds)


def width(architecture: Architecture) -> int:
    """The largest number of channels that a layer makes, the logits left out."""
    logits, own = architecture.sources[-1][0], Channels.OWN
    widths = [
        facts.shape[0]
        for index, facts in enumerate(architecture.facts)
        if facts.layer.channels is own and index != logits
    ]
    return max(widths, default=0)


def excluded_layers(architecture: Architecture, bounds: Bounds) -> tuple[str, ...]:
    """The kinds of layers that the architecture has and the bounds exclude."""
    if bounds.without_layers is None:
        return ()
    return tuple(sorted(set(bounds.without_layers) & _kinds(architecture)))


def _kinds(architecture: Architecture) -> set[str]:
    return {LAYERS.kind_of(node.layer) for node in architecture.nodes}


def check_excluded(bounds: Bounds) -> None:
    """Raise UnknownKind where the bounds exclude a kind of layer that does not exist."""
    for kind in bounds.without_layers or ():
        LAYERS[kind]


def fits(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether the architecture is within the bounds, so that a search may suggest it."""
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
        and _is_below_exceeded_memory(architecture, bounds)
        and not excluded_layers(architecture, bounds)
    )


def _is_trained_in_time(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether the predicted seconds of training for one example are within the bounds."""
    if not isinstance(bounds, MeasuredBounds) or bounds.example_seconds is None:
        return True
    return bounds.training_speed.seconds(architecture) <= bounds.example_seconds


def _is_below_exceeded_memory(architecture: Architecture, bounds: Bounds) -> bool:
    """Whether the estimated memory of training is less than what every device ran out of."""
    if not isinstance(bounds, MeasuredBounds) or bounds.exceeded_memory is None:
        return True
    exceeded = bounds.exceeded_memory
    return training_memory(architecture.costs, exceeded.batch_size) < exceeded.bytes
