"""A space of convolutional networks as a user would write it for a hyper-parameter optimiser.

Stages of blocks at falling resolutions, then a head; some parameters exist only with others. The
space is plain data, so that peers in their own environments can read it; `architecture` builds the
network of a choice.
"""

from collections.abc import Mapping
from typing import Any

from core.graph.architecture import Architecture
from core.graph.building import GraphBuilder
from core.layers import (
    AbstractLayer,
    Add,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    ReLU,
    family_of,
)
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters

Choice = Mapping[str, Any]
Space = list[dict[str, Any]]

SMALLEST_SIDE = 3  # no further stage would be smaller
MOST_STAGES = 4
MOST_FLATTENED = 4_096  # values; above it the mean of each channel is taken


def space(spec: DatasetSpec) -> Space:
    """The parameters for the data; one with `only` exists if that parameter has that value."""
    is_signal = len(spec.input_shape) == 2
    most = _most_stages(min(spec.input_shape[1:]))
    return [
        {"name": "stages", "kind": "int", "low": max(1, min(2, most - 1)), "high": most},
        {"name": "blocks", "kind": "int", "low": 1, "high": 3},
        {"name": "width", "kind": "int", "low": 16, "high": 96, "log": True},
        {"name": "growth", "kind": "float", "low": 1.0, "high": 2.0},
        {"name": "kernel", "kind": "choice", "choices": [3, 5, 7] if is_signal else [3, 5]},
        {"name": "residual", "kind": "choice", "choices": [False, True]},
        {"name": "head", "kind": "choice", "choices": ["global", "flatten"]},
        {"name": "units", "kind": "int", "low": 32, "high": 256, "log": True,
         "only": ["head", "flatten"]},
        {"name": "dropout", "kind": "float", "low": 0.0, "high": 0.5},
        {"name": "rate", "kind": "float", "low": 0.1, "high": 3.0, "log": True},
        {"name": "batch_size", "kind": "choice", "choices": [32, 64, 128]},
    ]  # fmt: skip


def architecture(choice: Choice, spec: DatasetSpec) -> Architecture:
    """The network of a choice."""
    graph, family = GraphBuilder(spec.input_shape), family_of(spec.input_shape)
    sides, last, width = list(spec.input_shape[1:]), 0, float(choice["width"])
    for stage in range(int(choice["stages"])):
        if stage:
            last = graph(last, family.max_pool(2, 2))
            sides, width = [side // 2 for side in sides], width * float(choice["growth"])
        last = graph(last, *_convolution(spec, choice, round(width)), ReLU())
        for _ in range(int(choice["blocks"]) - 1):
            last = _block(graph, spec, choice, round(width), last)
    last = graph(last, *_head(choice, spec, round(width), sides))
    return graph.finish(last, spec.outputs)


def hyperparameters(choice: Choice, base: Hyperparameters) -> Hyperparameters:
    """Netmorph's recipe with the batch size of the choice, its rate multiplied by the choice's."""
    return base.model_copy(
        update={
            "learning_rate": base.learning_rate * float(choice["rate"]),
            "batch_size": int(choice["batch_size"]),
        }
    )


def _most_stages(side: int) -> int:
    stages = 1
    while stages < MOST_STAGES and side // 2 >= SMALLEST_SIDE:
        side //= 2
        stages += 1
    return stages


def _convolution(spec: DatasetSpec, choice: Choice, width: int) -> list[AbstractLayer]:
    return [family_of(spec.input_shape).convolution(width, int(choice["kernel"])), BatchNorm()]


def _block(graph: GraphBuilder, spec: DatasetSpec, choice: Choice, width: int, last: int) -> int:
    inner = graph(last, *_convolution(spec, choice, width))
    return graph(graph.merge(Add(), inner, last) if choice["residual"] else inner, ReLU())


def _head(choice: Choice, spec: DatasetSpec, width: int, sides: list[int]) -> list[AbstractLayer]:
    values = width
    for side in sides:
        values *= side
    flat = choice["head"] == "flatten" and values <= MOST_FLATTENED
    layers: list[AbstractLayer] = [
        Flatten() if flat else family_of(spec.input_shape).global_avg_pool()
    ]
    if choice["head"] == "flatten":
        layers += [Dense(int(choice["units"])), ReLU()]
    return [*layers, Dropout(float(choice["dropout"]))] if choice["dropout"] > 0 else layers
