"""Hypothesis strategies for architectures, weights and morphisms: the only random makers of tests.

The architectures have branches: sums and concatenations of any earlier tensors that fit, also of
the same one twice, around convolutions with strides, pools and batch norms.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import (
    GELU,
    LAYERS,
    AbstractLayer,
    Add,
    Array,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
    Dropout,
    Embedding,
    Family,
    Flatten,
    Gate,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    HardSigmoid,
    HardSwish,
    Input,
    MaxPool1d,
    MaxPool2d,
    Output,
    ReLU,
    ReLU6,
    Scale,
    Shape,
    Sigmoid,
    SiLU,
    Tanh,
    Zero,
    family_of,
)
from core.morphisms import AbstractMorphism, sample
from core.protocol.contracts.bounds import Bounds

#: Bounds that keep random networks small enough for tests.
SMALL = Bounds(layers=90, width=48, parameters=60_000, flops=4_000_000)

seeds = st.integers(0, 2**32 - 1)
generators = seeds.map(np.random.default_rng)


@dataclass
class Sketch:
    """A graph under construction."""

    nodes: list[Node] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)  # of each node; ids are indices

    def add(self, layer: AbstractLayer, *inputs: int) -> int:
        """Append a layer, behind the last one unless inputs are given, and return its id."""
        sources = inputs or ((len(self.nodes) - 1,) if self.nodes else ())
        shape = layer.output_shape([self.shapes[source] for source in sources])
        self.nodes.append(Node(len(self.nodes), layer, sources))
        self.shapes.append(shape)
        return len(self.nodes) - 1

    def block(self, layer: AbstractLayer) -> None:
        """Append a layer with batch norm and ReLU."""
        self.add(layer)
        self.add(BatchNorm())
        self.add(ReLU())

    @property
    def shape(self) -> Shape:
        """The shape of the last tensor."""
        return self.shapes[-1]

    @property
    def family(self) -> Family:
        """The layers that read the last tensor."""
        return family_of(self.shape)

    def like_last(self, *, channels: bool) -> list[int]:
        """The tensors with the spatial shape of the last one, and its channels if `channels`."""
        start = 0 if channels else 1
        return [i for i in self.values if self.shapes[i][start:] == self.shape[start:]]

    @property
    def values(self) -> list[int]:
        """The tensors that any layer may read: all but token numbers."""
        is_text = any(isinstance(node.layer, Embedding) for node in self.nodes)
        return list(range(int(is_text), len(self.nodes)))


@st.composite
def architectures(
    draw: st.DrawFn, *, images: bool | None = None, steps: int = 8, classes: int = 3
) -> Architecture:
    """Networks with branches, up to `steps` random steps before the head.

    They read images if `images` is true, vectors if it is false, else any of these, signals or
    texts.
    """
    sketch = Sketch()
    axes = draw(st.sampled_from((2, 1, 0) if images is None else (2,) if images else (0,)))
    if axes:
        side = st.integers(3, 8) if axes == 2 else st.integers(3, 16)
        is_text = axes == 1 and draw(st.booleans())
        channels = 1 if is_text else draw(st.integers(1, 3))
        sketch.add(Input((channels, *[draw(side) for _ in range(axes)])))
        if is_text:
            _embeddings(draw, sketch)
        for _ in range(draw(st.integers(0, steps))):
            draw(st.sampled_from(SPATIAL_STEPS))(draw, sketch)
        sketch.add(Flatten() if draw(st.booleans()) else sketch.family.global_avg_pool())
    else:
        sketch.add(Input((draw(st.integers(1, 6)),)))
    for _ in range(draw(st.integers(0, 4))):
        draw(st.sampled_from(VECTOR_STEPS))(draw, sketch)
    sketch.add(Dense(classes))
    sketch.add(Output())
    return Architecture(tuple(sketch.nodes))


Step = Callable[[st.DrawFn, Sketch], None]
_widths = st.integers(2, 6)


def _embeddings(draw: st.DrawFn, sketch: Sketch) -> None:
    """One embedding of the token numbers, or two side by side."""
    vocabulary = draw(st.integers(1, 9))
    found = [
        sketch.add(Embedding(vocabulary, draw(_widths)), 0) for _ in range(draw(st.integers(1, 2)))
    ]
    if len(found) > 1:
        sketch.add(Concat(), *found)


def _conv(draw: st.DrawFn, sketch: Sketch) -> None:
    kernel, stride = draw(st.sampled_from((1, 3, 5))), draw(st.integers(1, 2))
    sketch.add(sketch.family.convolution(draw(_widths), kernel, stride, draw(st.booleans())))


def _conv_block(draw: st.DrawFn, sketch: Sketch) -> None:
    kernel, bias = draw(st.sampled_from((1, 3))), draw(st.booleans())
    sketch.block(sketch.family.convolution(draw(_widths), kernel, bias=bias))


def _same_conv(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.block(sketch.family.convolution(sketch.shape[0], bias=draw(st.booleans())))


def _depthwise(draw: st.DrawFn, sketch: Sketch) -> None:
    kernel, stride = draw(st.sampled_from((1, 3))), draw(st.integers(1, 2))
    sketch.block(sketch.family.depthwise(kernel, stride, draw(st.booleans())))


def _norm(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(BatchNorm())


ACTIVATIONS = (ReLU(), ReLU6(), SiLU(), GELU(), Sigmoid(), HardSigmoid(), HardSwish(), Tanh())


def _relu(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(draw(st.sampled_from(ACTIVATIONS)))


def _dropout(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(Dropout(0.25))


def _pool(draw: st.DrawFn, sketch: Sketch) -> None:
    size = draw(st.integers(1, min(3, *sketch.shape[1:])))
    kind = draw(st.sampled_from((sketch.family.max_pool, sketch.family.avg_pool)))
    sketch.add(kind(size, draw(st.integers(1, 3)), ceil_mode=draw(st.booleans())))


def _padded_pool(draw: st.DrawFn, sketch: Sketch) -> None:
    family, size, stride = sketch.family, draw(st.integers(2, 5)), draw(st.integers(1, 2))
    padding = draw(st.integers(1, size // 2))
    if min(sketch.shape[1:]) + 2 * padding < size:
        return
    if draw(st.booleans()):
        ceil, dilation = draw(st.booleans()), draw(st.integers(1, 2))
        spans = dilation * (size - 1) + 1 <= min(sketch.shape[1:]) + 2 * padding
        fits = spans and dilation <= min(sketch.shape[1:])
        more = {"dilation": dilation} if fits else {}
        sketch.add(family.max_pool(size, stride, padding, ceil_mode=ceil, **more))
    else:
        counted, ceil = draw(st.booleans()), draw(st.booleans())
        sketch.add(family.avg_pool(size, stride, padding, counted, ceil_mode=ceil))


def _uneven_pool(draw: st.DrawFn, sketch: Sketch) -> None:
    """A pool of images with sizes and strides of their own for each axis, and pads or none."""
    if len(sketch.shape) != 3:
        return
    family, ceil = sketch.family, draw(st.booleans())
    size = draw(st.tuples(*[st.integers(1, min(3, side)) for side in sketch.shape[1:]]))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pads = tuple(draw(st.integers(0, one - 1)) for one in (*size, *size))
    if ceil or len(set(pads)) == 1:
        pads = ()
    kind = draw(st.sampled_from((family.max_pool, family.avg_pool)))
    fields = {"pads": pads, "ceil_mode": ceil}
    sketch.add(kind(one_or_each(size), one_or_each(stride), **fields))


def one_or_each(lengths: tuple[int, ...]) -> int | tuple[int, ...]:
    """The lengths along the axes as a pool has them: one number where they are equal."""
    return lengths[0] if len(set(lengths)) == 1 else lengths


def _with_pads(draw: st.DrawFn, sketch: Sketch) -> None:
    """A convolution or pool with padding of its own for each end."""
    family, axes, stride = sketch.family, len(sketch.shape) - 1, draw(st.integers(1, 2))
    size, kind = draw(st.sampled_from((2, 3, 5))), draw(st.sampled_from(range(4)))
    pads = tuple(draw(st.integers(0, size - 1)) for _ in range(2 * axes))
    ends = zip(pads[:axes], pads[axes:], sketch.shape[1:], strict=True)
    if len(set(pads)) == 1 or any(sum(end) < size for end in ends) or (size == 2 and kind < 2):
        return
    if kind < 2:
        filters, bias = draw(_widths), draw(st.booleans())
        convolution = family.convolution(filters, size, stride, bias, pads=pads)
        sketch.block(convolution if kind else family.depthwise(size, stride, bias, pads=pads))
    elif kind == 2:
        sketch.add(family.max_pool(size, stride, pads=pads))
    else:
        counts = {"count_include_pad": draw(st.booleans())}
        sketch.add(family.avg_pool(size, stride, pads=pads, **counts))


def _valid_conv(draw: st.DrawFn, sketch: Sketch) -> None:
    """A convolution without padding."""
    if min(sketch.shape[1:]) >= 3:
        pads = (0,) * 2 * (len(sketch.shape) - 1)
        sketch.block(sketch.family.convolution(draw(_widths), 3, pads=pads))


def _zero(draw: st.DrawFn, sketch: Sketch) -> None:
    """A zero operation beside its input, as in a cell with a missing edge."""
    start, stride = len(sketch.nodes) - 1, draw(st.integers(1, 2))
    if len(sketch.shape) == 1 or stride == 1:
        sketch.add(Add(), start, sketch.add(Zero()))
    else:
        other = sketch.add(sketch.family.convolution(sketch.shape[0], 1, stride))
        sketch.add(Add(), other, sketch.add(Zero(stride), start))


def _add(draw: st.DrawFn, sketch: Sketch) -> None:
    others = sketch.like_last(channels=True)
    chosen = draw(st.lists(st.sampled_from(others), min_size=1, max_size=2))
    sketch.add(Add(), len(sketch.nodes) - 1, *chosen)


def _concat(draw: st.DrawFn, sketch: Sketch) -> None:
    if sketch.shape[0] > 12:
        return
    others = sketch.like_last(channels=False)
    chosen = draw(st.lists(st.sampled_from(others), min_size=1, max_size=2))
    inputs = draw(st.permutations([len(sketch.nodes) - 1, *chosen]))
    sketch.add(Concat(), *inputs)


def _residual(draw: st.DrawFn, sketch: Sketch) -> None:
    start = len(sketch.nodes) - 1
    sketch.block(sketch.family.convolution(draw(_widths)))
    sketch.add(sketch.family.convolution(sketch.shapes[start][0]))
    sketch.add(Add(), start, len(sketch.nodes) - 1)


def _sum_with_concat(draw: st.DrawFn, sketch: Sketch) -> None:
    """A sum of a concatenation and a convolution, whose channels then have two owners."""
    start = len(sketch.nodes) - 1
    convolution = sketch.family.convolution
    left = sketch.add(convolution(draw(_widths), 1), start)
    right = sketch.add(convolution(draw(_widths), 1), start)
    joined = sketch.add(Concat(), *draw(st.sampled_from(((left, right), (left, left)))))
    if not any(right in node.inputs for node in sketch.nodes):
        joined = sketch.add(Concat(), joined, right)
    other = sketch.add(convolution(sketch.shape[0], 1), start)
    sketch.add(Add(), joined, other)


def _squeeze_excite(draw: st.DrawFn, sketch: Sketch) -> None:
    start = len(sketch.nodes) - 1
    sketch.add(sketch.family.global_avg_pool())
    sketch.add(Dense(draw(_widths)))
    sketch.add(ReLU())
    sketch.add(Dense(sketch.shapes[start][0]))
    sketch.add(Scale(), start, sketch.add(Gate()))


def _scale(draw: st.DrawFn, sketch: Sketch) -> None:
    """Factors that come from another tensor, and have other readers."""
    start, shape = len(sketch.nodes) - 1, sketch.shape
    candidates = [i for i in sketch.values if sketch.shapes[i][0] == shape[0]]
    factors = draw(st.sampled_from(candidates))
    if len(sketch.shapes[factors]) > 1:
        factors = sketch.add(family_of(sketch.shapes[factors]).global_avg_pool(), factors)
    sketch.add(Scale(), start, factors)


def _product(draw: st.DrawFn, sketch: Sketch) -> None:
    """A product value by value, as in a gated convolution; its factors may have other readers."""
    start = len(sketch.nodes) - 1
    others = sketch.like_last(channels=True)
    if draw(st.booleans()):
        family, channels = sketch.family, sketch.shape[0]
        others = [sketch.add(family.convolution(channels, draw(st.sampled_from((1, 3)))), start)]
    factors = sketch.add(Sigmoid(), draw(st.sampled_from(others)))
    sketch.add(Scale(), start, factors)


def _gate(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(Gate())


def _dense(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(Dense(draw(_widths), draw(st.booleans())))


def _dense_relu(draw: st.DrawFn, sketch: Sketch) -> None:
    sketch.add(Dense(draw(_widths)))
    _relu(draw, sketch)


def _dense_residual(draw: st.DrawFn, sketch: Sketch) -> None:
    start = len(sketch.nodes) - 1
    sketch.add(Dense(draw(_widths)))
    sketch.add(ReLU())
    sketch.add(Dense(sketch.shapes[start][0]))
    sketch.add(Add(), len(sketch.nodes) - 1, start)


SPATIAL_STEPS: tuple[Step, ...] = (
    _conv_block,
    _conv,
    _same_conv,
    _norm,
    _relu,
    _pool,
    _add,
    _concat,
    _residual,
    _sum_with_concat,
    _depthwise,
    _squeeze_excite,
    _scale,
    _product,
    _dropout,
    _padded_pool,
    _uneven_pool,
    _with_pads,
    _valid_conv,
    _zero,
)
VECTOR_STEPS: tuple[Step, ...] = (
    _dense_relu,
    _dense,
    _norm,
    _relu,
    _add,
    _concat,
    _dense_residual,
    _scale,
    _gate,
    _dropout,
    _zero,
)


def random_weights(
    architecture: Architecture, rng: np.random.Generator, dtype: type = np.float64
) -> Weights:
    """Weights as after some training: none zero or one, and statistics that matter."""
    return perturbed(initialise(architecture, rng, np.float64), rng, dtype)


def perturbed(weights: Weights, rng: np.random.Generator, dtype: type = np.float64) -> Weights:
    """The weights after some more training: all of them a little different."""
    return {
        node_id: {name: _moved(name, array, rng).astype(dtype) for name, array in arrays.items()}
        for node_id, arrays in weights.items()
    }


def _moved(name: str, array: Array, rng: np.random.Generator) -> Array:
    if name == "running_var":
        return array * rng.uniform(0.5, 2, array.shape)
    fan_in = max(int(np.prod(array.shape[1:])), 4)
    moved: Array = array + rng.normal(scale=0.5 / np.sqrt(fan_in), size=array.shape)
    return moved


def random_inputs(
    architecture: Architecture, rng: np.random.Generator, dtype: type = np.float64, count: int = 4
) -> Array:
    """A batch of random examples; of a text, token numbers."""
    if architecture.vocabulary is not None:
        shape = (count, *architecture.input_shape)
        return rng.integers(architecture.vocabulary, size=shape).astype(dtype)
    return rng.normal(size=(count, *architecture.input_shape)).astype(dtype)


@dataclass(frozen=True)
class Chain:
    """Morphisms, one after the other, with the architectures before and after each."""

    architectures: tuple[Architecture, ...]  # one more than morphisms
    morphisms: tuple[AbstractMorphism, ...]


def random_chain(
    architecture: Architecture,
    rng: np.random.Generator,
    length: int,
    bounds: Bounds = SMALL,
) -> Chain:
    """Up to `length` random morphisms from the architecture on."""
    visited, morphisms = [architecture], []
    for _ in range(length):
        found = sample(visited[-1], bounds, rng, 1)
        if not found:
            break
        morphism, child = found[0]
        morphisms.append(morphism)
        visited.append(child)
    return Chain(tuple(visited), tuple(morphisms))


@st.composite
def morphism_chains(draw: st.DrawFn, *, length: int = 4, images: bool | None = None) -> Chain:
    """Random networks with random morphisms applied one after another."""
    start = draw(architectures(images=images, steps=5))
    return random_chain(start, draw(generators), draw(st.integers(1, length)))


@st.composite
def morphed_architectures(draw: st.DrawFn, *, length: int = 6) -> Architecture:
    """Networks as a search meets them: several morphisms away from a random start."""
    return draw(morphism_chains(length=length)).architectures[-1]


#: For each kind of layer some examples with the shapes of their inputs.
LAYER_EXAMPLES: dict[str, list[tuple[AbstractLayer, list[Shape]]]] = {
    "input": [(Input((2, 5, 4)), []), (Input((2, 9)), []), (Input((7,)), [])],
    "output": [(Output(), [(3,)])],
    "conv1d": [
        (Conv1d(4), [(3, 7)]),
        (Conv1d(2, 1), [(3, 4)]),
        (Conv1d(3, 5, 2), [(2, 7)]),
        (Conv1d(3, 3, 3), [(2, 8)]),
        (Conv1d(3, 5, 2, bias=False), [(2, 7)]),
        (Conv1d(3, 3, 2, pads=(0, 1)), [(2, 8)]),
        (Conv1d(3, 5, pads=(0, 0)), [(2, 8)]),
    ],
    "conv2d": [
        (Conv2d(4), [(3, 5, 6)]),
        (Conv2d(2, 1), [(3, 4, 4)]),
        (Conv2d(3, 5, 2), [(2, 7, 6)]),
        (Conv2d(3, 3, 3), [(2, 8, 2)]),
        (Conv2d(3, 5, 2, bias=False), [(2, 7, 6)]),
        (Conv2d(3, 3, 2, pads=(0, 0, 1, 1)), [(2, 8, 6)]),
        (Conv2d(3, 3, pads=(0, 0, 0, 0)), [(2, 5, 4)]),
        (Conv2d(3, 5, pads=(4, 0, 1, 3)), [(2, 1, 6)]),
    ],
    "depthwise_conv1d": [
        (DepthwiseConv1d(), [(3, 6)]),
        (DepthwiseConv1d(5, 2), [(2, 7)]),
        (DepthwiseConv1d(3, 3), [(2, 8)]),
        (DepthwiseConv1d(5, 2, bias=False), [(2, 7)]),
        (DepthwiseConv1d(3, 2, pads=(0, 1)), [(2, 8)]),
    ],
    "depthwise_conv2d": [
        (DepthwiseConv2d(), [(3, 5, 6)]),
        (DepthwiseConv2d(5, 2), [(2, 7, 6)]),
        (DepthwiseConv2d(3, 3), [(2, 8, 2)]),
        (DepthwiseConv2d(5, 2, bias=False), [(2, 7, 6)]),
        (DepthwiseConv2d(3, 2, pads=(0, 0, 1, 1)), [(2, 8, 6)]),
        (DepthwiseConv2d(5, pads=(4, 0, 1, 3)), [(2, 1, 6)]),
    ],
    "dense": [(Dense(4), [(6,)]), (Dense(1), [(1,)]), (Dense(4, bias=False), [(6,)])],
    "embedding": [(Embedding(5, 3), [(1, 7)]), (Embedding(1, 2), [(1, 4)])],
    "batch_norm": [
        (BatchNorm(), [(3, 4, 4)]),
        (BatchNorm(), [(3, 7)]),
        (BatchNorm(), [(5,)]),
    ],
    **{
        LAYERS.kind_of(layer): [(layer, [(3, 4, 4)]), (layer, [(3, 7)]), (layer, [(5,)])]
        for layer in ACTIVATIONS
    },
    "zero": [
        (Zero(), [(3, 4, 4)]),
        (Zero(), [(3, 7)]),
        (Zero(), [(5,)]),
        (Zero(2), [(3, 5, 4)]),
        (Zero(3), [(3, 7)]),
    ],
    "gate": [(Gate(), [(5,)]), (Gate(), [(3, 7)])],
    "max_pool1d": [
        (MaxPool1d(), [(2, 5)]),
        (MaxPool1d(3, 1), [(2, 5)]),
        (MaxPool1d(3, 1, 1), [(2, 5)]),
        (MaxPool1d(4, 3, 2), [(2, 5)]),
        (MaxPool1d(3, 2, ceil_mode=True), [(2, 6)]),
        (MaxPool1d(3, 2, pads=(2, 0)), [(2, 6)]),
        (MaxPool1d(2, 1, 1, dilation=3), [(2, 6)]),
    ],
    "max_pool2d": [
        (MaxPool2d(), [(2, 5, 4)]),
        (MaxPool2d(3, 1), [(2, 5, 4)]),
        (MaxPool2d(3, 1, 1), [(2, 5, 1)]),
        (MaxPool2d(3, 2, 1), [(2, 5, 4)]),
        (MaxPool2d(3, 2, ceil_mode=True), [(2, 6, 2)]),
        (MaxPool2d(2, 3, 1, ceil_mode=True), [(2, 5, 4)]),
        (MaxPool2d(2, 1, pads=(0, 0, 1, 1)), [(2, 5, 4)]),
        (MaxPool2d(3, 2, pads=(1, 0, 0, 2)), [(2, 5, 1)]),
        (MaxPool2d((2, 1), (2, 1)), [(2, 5, 4)]),
        (MaxPool2d(1, (1, 3)), [(2, 5, 4)]),
        (MaxPool2d((3, 2), (1, 2), 1, ceil_mode=True), [(2, 5, 4)]),
        (MaxPool2d((2, 3), (2, 1), pads=(0, 1, 0, 1)), [(2, 4, 4)]),
        (MaxPool2d(3, 1, 1, dilation=2), [(2, 5, 4)]),
        (MaxPool2d((2, 3), 2, dilation=(3, 1), ceil_mode=True), [(2, 5, 4)]),
        (MaxPool2d(2, 1, pads=(2, 0, 0, 1), dilation=2), [(2, 5, 4)]),
    ],
    "avg_pool1d": [
        (AvgPool1d(), [(2, 5)]),
        (AvgPool1d(1, 2), [(2, 5)]),
        (AvgPool1d(3, 1, 1), [(2, 5)]),
        (AvgPool1d(4, 3, 2, True), [(2, 5)]),
        (AvgPool1d(3, 2, ceil_mode=True), [(2, 6)]),
        (AvgPool1d(3, 2, pads=(2, 0)), [(2, 6)]),
    ],
    "avg_pool2d": [
        (AvgPool2d(), [(2, 5, 4)]),
        (AvgPool2d(1, 2), [(2, 5, 4)]),
        (AvgPool2d(3, 1, 1), [(2, 5, 4)]),
        (AvgPool2d(3, 2, 1, True), [(2, 5, 4)]),
        (AvgPool2d(3, 2, ceil_mode=True), [(2, 6, 5)]),
        (AvgPool2d(3, 2, 1, True, ceil_mode=True), [(2, 4, 6)]),
        (AvgPool2d(2, 3, 1, True, ceil_mode=True), [(2, 5, 4)]),
        (AvgPool2d(2, 1, pads=(0, 0, 1, 1)), [(2, 5, 4)]),
        (AvgPool2d(3, 2, pads=(1, 0, 0, 2)), [(2, 5, 1)]),
        (AvgPool2d(3, 2, count_include_pad=True, pads=(1, 0, 0, 2)), [(2, 5, 1)]),
        (AvgPool2d((5, 1), (5, 1)), [(2, 5, 4)]),
        (AvgPool2d((3, 2), (1, 2), 1, True, ceil_mode=True), [(2, 5, 5)]),
        (AvgPool2d((2, 3), (2, 1), pads=(0, 1, 0, 1)), [(2, 4, 4)]),
        (AvgPool2d((2, 3), count_include_pad=True, pads=(1, 0, 0, 2)), [(2, 4, 4)]),
    ],
    "global_avg_pool1d": [(GlobalAvgPool1d(), [(3, 7)])],
    "global_avg_pool2d": [(GlobalAvgPool2d(), [(3, 4, 5)])],
    "flatten": [(Flatten(), [(3, 4, 5)]), (Flatten(), [(3, 7)])],
    "dropout": [(Dropout(0.5), [(3, 4, 5)]), (Dropout(0.5), [(3, 7)]), (Dropout(0), [(3,)])],
    "add": [(Add(), [(3, 2, 2)] * 2), (Add(), [(3, 4)] * 2), (Add(), [(3,)] * 3)],
    "concat": [
        (Concat(), [(3, 2, 2), (1, 2, 2)]),
        (Concat(), [(3, 4), (1, 4)]),
        (Concat(), [(3,), (2,), (3,)]),
    ],
    "scale": [
        (Scale(), [(3, 4, 5), (3,)]),
        (Scale(), [(3, 4, 5), (3, 4, 5)]),
        (Scale(), [(3, 7), (3, 7)]),
        (Scale(), [(3, 7), (3,)]),
        (Scale(), [(3,), (3,)]),
    ],
}
