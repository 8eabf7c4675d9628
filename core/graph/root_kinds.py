"""The kinds of networks that searches start from: functions from a data set to a root.

VGG-like (Simonyan & Zisserman 2015, arXiv:1409.1556), ResNet-like (He et al. 2016,
arXiv:1512.03385), DenseNet-like (Huang et al. 2017, arXiv:1608.06993), MobileNet-like (Howard et
al. 2017, arXiv:1704.04861), and a narrow form of the ResNet-9 that David Page made for short
trainings (2018, "How to train your ResNet"). For signals they are the same along one axis, with
wider windows and faster reduction, because signals are long. Two more kinds for signals keep the
full resolution: the FCN and the ResNet of Wang, Yan & Oates 2017 (arXiv:1611.06455). Those for
texts begin with an embedding of their tokens: its mean as in fastText (Joulin et al. 2017,
arXiv:1607.01759), convolutions with the largest value of each channel (Kim 2014, arXiv:1408.5882),
and a small ResNet.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.graph.architecture import Architecture
from core.graph.building import GraphBuilder, chain
from core.layers import (
    AbstractLayer,
    Add,
    BatchNorm,
    Concat,
    Conv1d,
    Dense,
    Dropout,
    Embedding,
    Family,
    Flatten,
    GlobalAvgPool1d,
    Input,
    MaxPool1d,
    Output,
    ReLU,
    family_of,
)
from core.protocol.contracts.datasets import DatasetSpec

FILTERS = 16  # of the first convolution; doubled after each reduction
UNITS = 64  # of the hidden dense layer
DROPOUT = 0.2
POOLED_SIDE = 8  # images and signals are pooled while their sides are at least this long
LONG_SIGNAL = 64  # signals of at least this length are reduced by four at once
KERNELS = {1: 5, 2: 3}  # of a convolution, by the number of spatial axes
MAX_SIGNAL_FILTERS = 128  # each reduction of a signal drops fewer values than of an image
MLP_UNITS = (128, 64)
MIN_WIDTH = 4  # channels; no layer of a root is made narrower
HALVED_SIDE = 4  # sides are halved between stages while they are at least this long
STRIDED_FILTERS, STRIDED_STAGES = 24, 3
RESNET9_STAGES, RESNET9_RESIDUAL = 4, (1, 3)  # the stages with a residual block
RESNET9_SIDE = 48  # images of at least this side are halved by the first convolution
FCN = ((64, 7), (128, 5), (64, 3))  # (filters, kernel) of each convolution
FCN_RESNET_FILTERS, FCN_RESNET_KERNELS = (32, 64, 64), (7, 5, 3)  # of each block; within each block
EMBEDDED = 32  # channels of each token of a text
TEXT_FILTERS, TEXT_KERNELS, TEXT_DROPOUT = 64, (1, 3, 5), 0.5
DENSE_LAYERS = 3  # in each block of the DenseNet-like root

Builder = Callable[[DatasetSpec, float], Architecture]  # data set, scale of the widths -> root


def _scaled(width: int, scale: float) -> int:
    return max(MIN_WIDTH, round(width * scale))


@dataclass(frozen=True, slots=True)
class _Stage:
    """One resolution of the convolutional part."""

    filters: int
    reduction: int  # factor by which the sides are reduced before the stage; 1 for the first


class _Kit:
    """The layers for the data's number of axes, and the stages of the convolutional part."""

    def __init__(self, spec: DatasetSpec, scale: float) -> None:
        _, *sides = spec.input_shape
        self.family: Family = family_of(spec.input_shape)
        self.kernel = KERNELS[len(sides)]
        self.stages = list(_stages(min(sides), is_signal=len(sides) == 1, scale=scale))

    def block(
        self, filters: int, kernel: int | None = None, stride: int = 1
    ) -> tuple[AbstractLayer, ...]:
        """A convolution with batch norm and ReLU."""
        return (*self.linear(filters, kernel, stride), ReLU())

    def linear(
        self, filters: int, kernel: int | None = None, stride: int = 1
    ) -> tuple[AbstractLayer, ...]:
        """A convolution with batch norm."""
        convolution = self.family.convolution(filters, kernel or self.kernel, stride)
        return (convolution, BatchNorm())

    def max_pool(self, stage: _Stage) -> tuple[AbstractLayer, ...]:
        """The pool before a stage; none before the first."""
        by = stage.reduction
        return (self.family.max_pool(by, by),) if by > 1 else ()


def _stages(side: int, *, is_signal: bool, scale: float) -> Iterator[_Stage]:
    """The stages: twice as many filters after each reduction."""
    filters, reduction = FILTERS, 1
    while True:
        yield _Stage(_scaled(filters, scale), reduction)
        if side < POOLED_SIDE:
            return
        reduction = 4 if is_signal and side >= LONG_SIGNAL else 2
        side //= reduction
        filters = min(2 * filters, MAX_SIGNAL_FILTERS) if is_signal else 2 * filters


def _cnn(spec: DatasetSpec, scale: float) -> Architecture:
    """One convolution block per resolution, then a hidden dense layer."""
    return chain(_cnn_layers(spec, scale))


def _cnn_layers(spec: DatasetSpec, scale: float) -> Iterator[AbstractLayer]:
    kit = _Kit(spec, scale)
    yield Input(spec.input_shape)
    for stage in kit.stages:
        yield from (*kit.max_pool(stage), *kit.block(stage.filters))
    yield Flatten()
    yield from (Dense(_scaled(UNITS, scale)), ReLU(), Dropout(DROPOUT))
    yield from (Dense(spec.outputs), Output())


def _vgg(spec: DatasetSpec, scale: float) -> Architecture:
    """Two convolutions per resolution, each pair followed by a pool, then a hidden dense layer."""
    graph, kit, last = GraphBuilder(spec.input_shape), _Kit(spec, scale), 0
    side = min(spec.input_shape[1:])
    for stage in kit.stages:
        last = graph(last, *kit.max_pool(stage), *kit.block(stage.filters))
        last = graph(last, *kit.block(stage.filters))
        side //= stage.reduction
    if side >= 2:
        last = graph(last, kit.family.max_pool(2, 2))
    last = graph(last, Flatten(), Dense(_scaled(UNITS, scale)), ReLU(), Dropout(DROPOUT))
    return graph.finish(last, spec.outputs)


def _resnet(spec: DatasetSpec, scale: float) -> Architecture:
    """A residual block per resolution, with a projected skip where the shape changes."""
    graph, kit = GraphBuilder(spec.input_shape), _Kit(spec, scale)
    last = graph(0, *kit.block(kit.stages[0].filters))
    for stage in kit.stages:
        by = stage.reduction
        inner = graph(last, *kit.block(stage.filters, stride=by), *kit.linear(stage.filters))
        skip = graph(last, *kit.linear(stage.filters, 1, by)) if by > 1 else last
        last = graph(graph.merge(Add(), inner, skip), ReLU())
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _strided(spec: DatasetSpec, scale: float) -> Architecture:
    """A stem that halves the sides; per stage a widening convolution, a pool, a residual block.

    Most of the work is done at low resolution, so that training sees many examples in little time.
    """
    graph, kit = GraphBuilder(spec.input_shape), _Kit(spec, scale)
    by = 2 if min(spec.input_shape[1:]) >= 2 * POOLED_SIDE else 1
    first, *later = [_scaled(STRIDED_FILTERS * 2**n, scale) for n in range(STRIDED_STAGES)]
    last = _residual(graph, kit, graph(0, *kit.block(first, stride=by)), first)
    side = min(spec.input_shape[1:]) // by
    for filters in later:
        last = graph(last, *kit.block(filters))
        last, side = _halved(graph, kit, last, side)
        last = _residual(graph, kit, last, filters)
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _resnet9(spec: DatasetSpec, scale: float) -> Architecture:
    """A thin stem; per stage a widening convolution, pooled before its batch norm.

    The first and last of these stages end with a residual block. Learns more in a few passes than
    the other kinds (measured: `docs/results/training-choices.md`, "Kinds of root").
    """
    graph, kit = GraphBuilder(spec.input_shape), _Kit(spec, scale)
    side = min(spec.input_shape[1:])
    by = 2 if side >= RESNET9_SIDE else 1
    stem, *later = [_scaled(FILTERS * 2**n, scale) for n in range(RESNET9_STAGES)]
    last, side = graph(0, *kit.block(stem, stride=by)), side // by
    for number, filters in enumerate(later, start=1):
        last = graph(last, kit.family.convolution(filters, kit.kernel, 1))
        last, side = _halved(graph, kit, last, side)
        last = graph(last, BatchNorm(), ReLU())
        if number in RESNET9_RESIDUAL:
            last = _residual(graph, kit, last, filters)
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _halved(graph: GraphBuilder, kit: _Kit, last: int, side: int) -> tuple[int, int]:
    """The last node and the side after a pool that halves the sides; short sides stay."""
    if side < HALVED_SIDE:
        return last, side
    return graph(last, kit.family.max_pool(2, 2)), side // 2


def _residual(graph: GraphBuilder, kit: _Kit, last: int, filters: int) -> int:
    """Two convolution blocks with a skip around them."""
    return graph.merge(Add(), graph(last, *kit.block(filters), *kit.block(filters)), last)


def _fcn(spec: DatasetSpec, scale: float) -> Architecture:
    """Three convolutions at full resolution with shrinking kernels, then the mean."""
    graph, kit, last = GraphBuilder(spec.input_shape), _Kit(spec, scale), 0
    for filters, kernel in FCN:
        last = graph(last, *kit.block(_scaled(filters, scale), kernel))
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _fcn_resnet(spec: DatasetSpec, scale: float) -> Architecture:
    """Three residual blocks at full resolution with shrinking kernels, then the mean."""
    graph, kit, last = GraphBuilder(spec.input_shape), _Kit(spec, scale), 0
    before = 0
    for filters in (_scaled(base, scale) for base in FCN_RESNET_FILTERS):
        first, second, third = FCN_RESNET_KERNELS
        inner = graph(last, *kit.block(filters, first), *kit.block(filters, second))
        inner = graph(inner, *kit.linear(filters, third))
        skip = last if filters == before else graph(last, *kit.linear(filters, 1))
        last, before = graph(graph.merge(Add(), inner, skip), ReLU()), filters
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _densenet(spec: DatasetSpec, scale: float) -> Architecture:
    """Per resolution a block whose layers read all previous ones; narrowing transitions between."""
    graph, kit = GraphBuilder(spec.input_shape), _Kit(spec, scale)
    growth = _scaled(FILTERS // 2, scale)
    last = graph(0, *kit.block(kit.stages[0].filters))
    for stage in kit.stages:
        if (by := stage.reduction) > 1:
            last = graph(last, *kit.block(stage.filters // 2, 1), kit.family.avg_pool(by, by))
        for _ in range(DENSE_LAYERS):
            last = graph.merge(Concat(), last, graph(last, *kit.block(growth)))
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _mobilenet(spec: DatasetSpec, scale: float) -> Architecture:
    """Two blocks per resolution, each a depthwise and a 1 × 1 convolution."""
    graph, kit = GraphBuilder(spec.input_shape), _Kit(spec, scale)
    last = graph(0, *kit.block(kit.stages[0].filters))
    for stage in kit.stages:
        for stride in (stage.reduction, 1):
            depthwise = kit.family.depthwise(kit.kernel, stride)
            last = graph(last, depthwise, BatchNorm(), ReLU(), *kit.block(stage.filters, 1))
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


def _mlp(spec: DatasetSpec, scale: float) -> Architecture:
    """Dense layers with ReLU on the flattened example."""
    graph = GraphBuilder(spec.input_shape)
    last = graph(0, Flatten()) if len(spec.input_shape) > 1 else 0
    for units in MLP_UNITS:
        last = graph(last, Dense(_scaled(units, scale)), ReLU())
    return graph.finish(last, spec.outputs)


def _embedded(spec: DatasetSpec, scale: float) -> tuple[GraphBuilder, int]:
    """The graph with the vectors of the tokens, and the id of their embedding."""
    assert spec.text is not None
    graph = GraphBuilder(spec.input_shape)
    return graph, graph(0, Embedding(spec.text.vocabulary, _scaled(EMBEDDED, scale)))


def _bag_of_words(spec: DatasetSpec, scale: float) -> Architecture:
    """The mean of the vectors of all tokens, then a hidden dense layer."""
    graph, last = _embedded(spec, scale)
    units = _scaled(UNITS, scale)
    last = graph(last, GlobalAvgPool1d(), Dense(units), ReLU(), Dropout(DROPOUT))
    return graph.finish(last, spec.outputs)


def _text_cnn(spec: DatasetSpec, scale: float) -> Architecture:
    """Convolutions of several widths side by side, each at its largest value: Kim 2014.

    As there, no hidden layer follows: the largest values are all positive, which killed the units
    of a hidden ReLU on few texts. The batch norm takes away what the values have in common.
    """
    graph, embedded = _embedded(spec, scale)
    length, filters = spec.input_shape[1], _scaled(TEXT_FILTERS, scale)
    branches = []
    for kernel in TEXT_KERNELS:
        last = graph(embedded, Conv1d(filters, kernel), BatchNorm(), ReLU())
        branches.append(graph(last, MaxPool1d(length, length), Flatten()))
    last = graph(graph.merge(Concat(), *branches), BatchNorm(), Dropout(TEXT_DROPOUT))
    return graph.finish(last, spec.outputs)


def _text_resnet(spec: DatasetSpec, scale: float) -> Architecture:
    """Two residual blocks behind the embedding, then the mean."""
    graph, last = _embedded(spec, scale)
    kit, filters = _Kit(spec, scale), _scaled(TEXT_FILTERS, scale)
    last = graph(last, *kit.block(filters, 3))
    for _ in range(2):
        last = _residual(graph, kit, last, filters)
    return graph.finish(graph(last, kit.family.global_avg_pool()), spec.outputs)


#: The builders by kind; the default for images and signals comes first.
BUILDERS: Mapping[str, Builder] = {
    "cnn": _cnn,
    "fcn": _fcn,
    "fcn-resnet": _fcn_resnet,
    "resnet9": _resnet9,
    "strided": _strided,
    "vgg": _vgg,
    "resnet": _resnet,
    "mobilenet": _mobilenet,
    "densenet": _densenet,
    "mlp": _mlp,
    "text-cnn": _text_cnn,
    "bag-of-words": _bag_of_words,
    "text-resnet": _text_resnet,
}
OF_SIGNALS = frozenset({"fcn", "fcn-resnet"})  # too slow for images
OF_TEXTS = ("text-cnn", "text-resnet", "bag-of-words")  # the only ones that read token numbers
