"""The architectures that a search starts from, sized to the data set and within the bounds.

A search trains its roots first, each for a trial's price, so that it starts from few; `all_roots`
has the others: VGG-like (Simonyan & Zisserman 2015, arXiv:1409.1556), ResNet-like (He et al. 2016,
arXiv:1512.03385), DenseNet-like (Huang et al. 2017, arXiv:1608.06993), MobileNet-like (Howard et
al. 2017, arXiv:1704.04861).
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from core.architecture import Architecture, Node
from core.bounds import fits, latency, width
from core.contracts import Bounds, DatasetSpec
from core.errors import InvalidInput
from core.layers import (
    AbstractLayer,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
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
DENSE_LAYERS = 3  # of a block of the DenseNet-like root

Builder = Callable[[DatasetSpec, float], Architecture]  # spec, scale of the widths


def roots(spec: DatasetSpec, bounds: Bounds) -> tuple[Architecture, ...]:
    """The starting architectures, the default first; raises InvalidInput where none fits."""
    kind = "cnn" if len(spec.input_shape) == 3 else "mlp"
    root = _fitted(BUILDERS[kind], spec, bounds)
    if not fits(root, bounds):
        raise InvalidInput(
            f"the bounds are too small: the smallest start for {spec.input_shape} has "
            f"{len(root.nodes)} layers, width {width(root)}, {root.parameters} parameters, "
            f"{root.flops} FLOPs and an expected latency of {latency(root, bounds):.2g} s"
        )
    return (root,)


def all_roots(spec: DatasetSpec, bounds: Bounds) -> Mapping[str, Architecture]:
    """Every kind of start that the data and the bounds allow, by name."""
    kinds = BUILDERS if len(spec.input_shape) == 3 else {"mlp": _mlp}
    found = {kind: _fitted(builder, spec, bounds) for kind, builder in kinds.items()}
    return {kind: root for kind, root in found.items() if fits(root, bounds)}


def _fitted(builder: Builder, spec: DatasetSpec, bounds: Bounds) -> Architecture:
    """The widest version within the bounds; the narrowest of all where none is."""
    scale = 1.0
    architecture = builder(spec, scale)
    while not fits(architecture, bounds) and scale * FILTERS > SMALLEST:
        scale /= 2
        architecture = builder(spec, scale)
    return architecture


class _Graph:
    """An architecture under construction; a call adds layers and gives the last one's id."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._nodes = [Node(0, Input(spec.input_shape))]

    def __call__(self, source: int, *layers: AbstractLayer) -> int:
        """Layers one behind the other, the first behind `source`."""
        for layer in layers:
            self._nodes.append(Node(len(self._nodes), layer, (source,)))
            source = self._nodes[-1].id
        return source

    def merge(self, layer: AbstractLayer, *sources: int) -> int:
        """A layer that reads several nodes."""
        self._nodes.append(Node(len(self._nodes), layer, sources))
        return self._nodes[-1].id

    def finish(self, source: int, classes: int) -> Architecture:
        """The architecture with the classifier behind `source`."""
        self(source, Dense(classes), Output())
        return Architecture(tuple(self._nodes))


def chain(layers: Iterator[AbstractLayer]) -> Architecture:
    """The architecture in which each layer reads the one before."""
    nodes = [Node(place, layer) for place, layer in enumerate(layers)]
    linked = [Node(node.id, node.layer, (before.id,)) for before, node in pairwise(nodes)]
    return Architecture((nodes[0], *linked))


def _scaled(width: int, scale: float) -> int:
    return max(SMALLEST, round(width * scale))


def _stages(spec: DatasetSpec, scale: float) -> list[int]:
    """The filters of each resolution."""
    filters, side = [_scaled(FILTERS, scale)], min(spec.input_shape[1:])
    while side >= POOLED_SIDE:
        side //= 2
        filters.append(_scaled(FILTERS * 2 ** len(filters), scale))
    return filters


def _convolution(filters: int, kernel: int = 3, stride: int = 1) -> tuple[AbstractLayer, ...]:
    return (Conv2d(filters, kernel, stride), BatchNorm(), ReLU())


def _cnn(spec: DatasetSpec, scale: float) -> Architecture:
    """One convolution block a resolution, then a hidden dense layer."""
    return chain(_cnn_layers(spec, scale))


def _cnn_layers(spec: DatasetSpec, scale: float) -> Iterator[AbstractLayer]:
    yield Input(spec.input_shape)
    for stage, filters in enumerate(_stages(spec, scale)):
        if stage:
            yield MaxPool2d()
        yield from _convolution(filters)
    yield Flatten()
    yield from (Dense(_scaled(UNITS, scale)), ReLU(), Dropout(DROPOUT))
    yield from (Dense(spec.classes), Output())


def _vgg(spec: DatasetSpec, scale: float) -> Architecture:
    """Two convolutions a resolution, then two hidden dense layers."""
    graph, last = _Graph(spec), 0
    for stage, filters in enumerate(_stages(spec, scale)):
        pool = (MaxPool2d(),) if stage else ()
        last = graph(last, *pool, *_convolution(filters), *_convolution(filters))
    last = graph(last, Flatten())
    for _ in range(2):
        last = graph(last, Dense(_scaled(UNITS, scale)), ReLU(), Dropout(DROPOUT))
    return graph.finish(last, spec.classes)


def _resnet(spec: DatasetSpec, scale: float) -> Architecture:
    """A residual block a resolution; a projection carries the skip where the width changes."""
    graph = _Graph(spec)
    stages = _stages(spec, scale)
    last = graph(0, *_convolution(stages[0]))
    for stage, filters in enumerate(stages):
        stride = 2 if stage else 1
        inner = graph(last, *_convolution(filters, 3, stride), Conv2d(filters), BatchNorm())
        skip = graph(last, Conv2d(filters, 1, stride), BatchNorm()) if stage else last
        last = graph(graph.merge(Add(), inner, skip), ReLU())
    return graph.finish(graph(last, GlobalAvgPool2d()), spec.classes)


def _densenet(spec: DatasetSpec, scale: float) -> Architecture:
    """A block a resolution whose layers read all before them, a narrowing transition between."""
    graph, growth = _Graph(spec), _scaled(FILTERS // 2, scale)
    stages = _stages(spec, scale)
    last = graph(0, *_convolution(stages[0]))
    for stage, filters in enumerate(stages):
        if stage:
            last = graph(last, *_convolution(filters // 2, 1), AvgPool2d())
        for _ in range(DENSE_LAYERS):
            last = graph.merge(Concat(), last, graph(last, *_convolution(growth)))
    return graph.finish(graph(last, GlobalAvgPool2d()), spec.classes)


def _mobilenet(spec: DatasetSpec, scale: float) -> Architecture:
    """A depthwise and a 1 × 1 convolution a block, two blocks a resolution."""
    graph = _Graph(spec)
    stages = _stages(spec, scale)
    last = graph(0, *_convolution(stages[0]))
    for stage, filters in enumerate(stages):
        for stride in (2 if stage else 1, 1):
            last = graph(last, DepthwiseConv2d(3, stride), BatchNorm(), ReLU())
            last = graph(last, *_convolution(filters, 1))
    return graph.finish(graph(last, GlobalAvgPool2d()), spec.classes)


def _mlp(spec: DatasetSpec, scale: float) -> Architecture:
    """Dense layers with ReLU, of an image's pixels in a row."""
    graph = _Graph(spec)
    last = graph(0, Flatten()) if len(spec.input_shape) == 3 else 0
    for units in MLP_UNITS:
        last = graph(last, Dense(_scaled(units, scale)), ReLU())
    return graph.finish(last, spec.classes)


#: By name, the default for images first.
BUILDERS: Mapping[str, Builder] = {
    "cnn": _cnn,
    "vgg": _vgg,
    "resnet": _resnet,
    "densenet": _densenet,
    "mobilenet": _mobilenet,
    "mlp": _mlp,
}
