"""The architectures that a search starts from, sized to the data set and within the bounds."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from core.architecture import Architecture, Node
from core.bounds import fits, width
from core.contracts import Bounds, DatasetSpec
from core.errors import InvalidInput
from core.layers import (
    AbstractLayer,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
)

FILTERS = 16  # of the first convolution; twice as many after each pool
UNITS = 64  # of the hidden dense layer
DROPOUT = 0.2
POOLED_SIDE = 8  # images with sides from this on are pooled
MLP_UNITS = (128, 64)
SMALLEST = 4  # channels below which no root is shrunk

Builder = Callable[[DatasetSpec, float], Iterator[AbstractLayer]]  # spec, scale of the widths


def roots(spec: DatasetSpec, bounds: Bounds) -> tuple[Architecture, ...]:
    """The starting architectures, the default first; raises InvalidInput where none fits."""
    builders: tuple[Builder, ...] = (_cnn,) if len(spec.input_shape) == 3 else (_mlp,)
    found = [_fitted(builder, spec, bounds) for builder in builders]
    fitting = tuple(architecture for architecture in found if fits(architecture, bounds))
    if not fitting:
        small = found[0]
        raise InvalidInput(
            f"the bounds are too small: the smallest start for {spec.input_shape} has "
            f"{len(small.nodes)} layers, width {width(small)}, {small.parameters} parameters, "
            f"{small.flops} FLOPs"
        )
    return fitting


def _fitted(builder: Builder, spec: DatasetSpec, bounds: Bounds) -> Architecture:
    """The widest version within the bounds; the narrowest of all where none is."""
    scale = 1.0
    architecture = chain(builder(spec, scale))
    while not fits(architecture, bounds) and scale * FILTERS > SMALLEST:
        scale /= 2
        architecture = chain(builder(spec, scale))
    return architecture


def chain(layers: Iterator[AbstractLayer]) -> Architecture:
    """The architecture in which each layer reads the one before."""
    nodes = [Node(place, layer) for place, layer in enumerate(layers)]
    linked = [Node(node.id, node.layer, (before.id,)) for before, node in pairwise(nodes)]
    return Architecture((nodes[0], *linked))


def _scaled(width: int, scale: float) -> int:
    return max(SMALLEST, round(width * scale))


def _cnn(spec: DatasetSpec, scale: float) -> Iterator[AbstractLayer]:
    """One convolution block a resolution, then a hidden dense layer."""
    yield Input(spec.input_shape)
    filters, side = FILTERS, min(spec.input_shape[1:])
    yield from (Conv2d(_scaled(filters, scale)), BatchNorm(), ReLU())
    while side >= POOLED_SIDE:
        yield MaxPool2d()
        filters, side = 2 * filters, side // 2
        yield from (Conv2d(_scaled(filters, scale)), BatchNorm(), ReLU())
    yield Flatten()
    yield from (Dense(_scaled(UNITS, scale)), ReLU(), Dropout(DROPOUT))
    yield from (Dense(spec.classes), Output())


def _mlp(spec: DatasetSpec, scale: float) -> Iterator[AbstractLayer]:
    """Dense layers with ReLU."""
    yield Input(spec.input_shape)
    for units in MLP_UNITS:
        yield from (Dense(_scaled(units, scale)), ReLU())
    yield from (Dense(spec.classes), Output())
