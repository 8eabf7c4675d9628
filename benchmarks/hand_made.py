"""Networks that a person would design first, to be trained for as long as a search takes.

For images a VGG-like net (Simonyan & Zisserman 2015, arXiv:1409.1556) and a ResNet-like one (He et
al. 2016, arXiv:1512.03385), both with batch norm; for signals the FCN and the ResNet of Wang, Yan &
Oates 2017, arXiv:1611.06455, with a first kernel of 7 instead of 8, because Netmorph's kernels are
odd; for vectors two hidden layers.
"""

from collections.abc import Callable, Mapping

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

Builder = Callable[[DatasetSpec], Architecture]

WIDTHS = (32, 64, 128)  # filters at each resolution
HIDDEN = 128  # units of the VGG-like net's dense layer
MAX_FLATTENED = 2_048  # values of an example; larger maps are pooled further
DROPOUT = 0.3
FCN = ((128, 7), (256, 5), (128, 3))  # filters and kernel of each convolution
RESNET1D_WIDTHS, RESNET1D_KERNELS = (64, 128, 128), (7, 5, 3)
MLP = (256, 128)


def vgg(spec: DatasetSpec) -> Architecture:
    """Two convolutions and a pool at each resolution; one hidden dense layer."""
    graph, family, last = GraphBuilder(spec.input_shape), family_of(spec.input_shape), 0
    sides = spec.input_shape[1:]
    for width in WIDTHS:
        for _ in range(2):
            last = graph(last, *_block(spec, width, 3))
        if min(sides) > 1:
            last = graph(last, family.max_pool(2, 2))
            sides = tuple(side // 2 for side in sides)
    while sides[0] * sides[1] * WIDTHS[-1] > MAX_FLATTENED:
        last = graph(last, family.max_pool(2, 2))
        sides = tuple(side // 2 for side in sides)
    last = graph(last, Flatten(), Dense(HIDDEN), ReLU(), Dropout(DROPOUT))
    return graph.finish(last, spec.outputs)


def resnet(spec: DatasetSpec) -> Architecture:
    """A stem, then a residual block at each resolution, projected where the width changes."""
    graph, family = GraphBuilder(spec.input_shape), family_of(spec.input_shape)
    last, before = graph(0, *_block(spec, WIDTHS[0], 3)), WIDTHS[0]
    for width in WIDTHS:
        stride = 1 if width == before else 2
        inner = graph(last, *_block(spec, width, 3, stride), *_linear(spec, width, 3))
        skip = last if stride == 1 else graph(last, *_linear(spec, width, 1, stride))
        last, before = graph(graph.merge(Add(), inner, skip), ReLU()), width
    return graph.finish(graph(last, family.global_avg_pool()), spec.outputs)


def fcn(spec: DatasetSpec) -> Architecture:
    """Three convolutions at full length, then the mean over the signal."""
    graph, last = GraphBuilder(spec.input_shape), 0
    for width, kernel in FCN:
        last = graph(last, *_block(spec, width, kernel))
    return graph.finish(graph(last, family_of(spec.input_shape).global_avg_pool()), spec.outputs)


def resnet1d(spec: DatasetSpec) -> Architecture:
    """Three residual blocks of three convolutions, then the mean of the signal."""
    graph, last, before = GraphBuilder(spec.input_shape), 0, spec.input_shape[0]
    for width in RESNET1D_WIDTHS:
        first, second, third = RESNET1D_KERNELS
        inner = graph(last, *_block(spec, width, first), *_block(spec, width, second))
        inner = graph(inner, *_linear(spec, width, third))
        skip = graph(last, BatchNorm()) if width == before else graph(last, *_linear(spec, width))
        last, before = graph(graph.merge(Add(), inner, skip), ReLU()), width
    return graph.finish(graph(last, family_of(spec.input_shape).global_avg_pool()), spec.outputs)


def mlp(spec: DatasetSpec) -> Architecture:
    """Two hidden layers."""
    graph, last = GraphBuilder(spec.input_shape), 0
    for units in MLP:
        last = graph(last, Dense(units), ReLU(), Dropout(DROPOUT))
    return graph.finish(last, spec.outputs)


def _block(spec: DatasetSpec, width: int, kernel: int, stride: int = 1) -> list[AbstractLayer]:
    return [*_linear(spec, width, kernel, stride), ReLU()]


def _linear(spec: DatasetSpec, width: int, kernel: int = 1, stride: int = 1) -> list[AbstractLayer]:
    return [family_of(spec.input_shape).convolution(width, kernel, stride), BatchNorm()]


_BY_AXES: Mapping[int, Mapping[str, Builder]] = {
    3: {"vgg": vgg, "resnet": resnet},
    2: {"fcn": fcn, "resnet1d": resnet1d},
    1: {"mlp": mlp},
}


def hand_made(spec: DatasetSpec) -> Mapping[str, Architecture]:
    """The hand-made networks for the data by name; the first is the one a plain loop trains."""
    builders = _BY_AXES[len(spec.input_shape)]
    return {name: builder(spec) for name, builder in builders.items()}
