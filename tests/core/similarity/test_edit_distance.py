"""The edit distance: its costs, that it is a metric, and that batches change nothing."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    LAYERS,
    AbstractLayer,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
    ReLU6,
    Shape,
    Zero,
)
from core.similarity.edit_distance import Encoder, distance, skips
from tests.strategies import LAYER_EXAMPLES, Sketch, architectures, morphism_chains

UNSEEN = ("input", "output", "add", "concat", "scale")


@st.composite
def groups(draw: st.DrawFn, size: int) -> list[Architecture]:
    """Architectures of which some are relatives, as in a search."""
    found: list[Architecture] = []
    while len(found) < size:
        found.extend(draw(morphism_chains(length=4)).architectures)
    return draw(st.permutations(found))[:size]


# --- against a naive calculation ----------------------------------------------------------------


def layers_of(architecture: Architecture) -> list[AbstractLayer]:
    layers = [node.layer for node in architecture.nodes]
    return [layer for layer in layers if LAYERS.kind_of(layer) not in UNSEEN]


def layer_cost(one: AbstractLayer, other: AbstractLayer) -> float:
    """1 between kinds, else the mean of 1 - min / max over the fields that are not optional.

    Each of the others adds as one of one more field would, up to 1 in all.
    """
    if type(one) is not type(other):
        return 1.0
    costs, more = [], []
    for field in dataclasses.fields(one):
        pair = [getattr(layer, field.name) for layer in (one, other)]
        cost = pads_cost(*pair) if field.name == "pads" else number_cost(*pair)
        (more if field.name in one.optional else costs).append(cost)
    return min(1.0, float(np.mean(costs or [0.0])) + sum(more) / (len(costs) + 1))


def number_cost(x: float | tuple[int, ...], y: float | tuple[int, ...]) -> float:
    """Of a number for each axis the mean, where the other may have one for both."""
    if isinstance(x, tuple) or isinstance(y, tuple):
        pairs = [one if isinstance(one, tuple) else (one, one) for one in (x, y)]
        return float(np.mean([*map(number_cost, *pairs)]))
    return 1 - min(x, y) / max(x, y) if x or y else 0.0


def pads_cost(x: tuple[int, ...], y: tuple[int, ...]) -> float:
    """The mean over all ends, of one more than the padding there; 1 where only one has pads."""
    if not x or not y:
        return float(x != y)
    return float(np.mean([number_cost(a + 1, b + 1) for a, b in zip(x, y, strict=True)]))


def naive_layers(a: list[AbstractLayer], b: list[AbstractLayer]) -> float:
    """The least sum over all ways to drop, insert and substitute, from the ends of both lists."""

    @cache
    def least(i: int, j: int) -> float:
        if i == 0 or j == 0:
            return float(i + j)
        return min(
            least(i - 1, j) + 1,
            least(i, j - 1) + 1,
            least(i - 1, j - 1) + layer_cost(a[i - 1], b[j - 1]),
        )

    return least(len(a), len(b))


def naive_skips(a: Architecture, b: Architecture) -> float:
    """The cheapest assignment in which any skip may stay unassigned, at a cost of one."""
    first, second = skips(a), skips(b)
    n, m = len(first), len(second)
    costs = np.ones((n + m, n + m))
    costs[n:, m:] = 0.0
    for i, (kind, *s) in enumerate(first):
        for j, (other, *t) in enumerate(second):
            if kind == other:
                largest = np.maximum(s, t).sum()
                costs[i, j] = np.abs(np.subtract(s, t)).sum() / largest if largest else 0.0
    return float(costs[linear_sum_assignment(costs)].sum())


@given(pair=groups(2), skip_weight=st.sampled_from((0.0, 0.5, 1.0)))
def test_the_distance_is_the_naive_one(pair, skip_weight):
    one, other = pair
    expected = naive_layers(layers_of(one), layers_of(other))
    expected += skip_weight * naive_skips(one, other)
    assert distance(one, other, skip_weight) == pytest.approx(expected, abs=1e-9)


# --- a metric -----------------------------------------------------------------------------------


@given(architecture=architectures())
def test_an_architecture_is_at_distance_zero_from_itself_however_numbered(architecture):
    renumbered = Architecture(
        tuple(
            Node(900 - node.id, node.layer, tuple(900 - source for source in node.inputs))
            for node in architecture.nodes
        )
    )
    assert distance(architecture, architecture) == 0
    assert distance(architecture, renumbered) == 0


@given(trio=groups(3))
def test_distances_are_symmetric_and_obey_the_triangle_inequality(trio):
    encoder = Encoder()
    encoded = encoder.encode(trio)
    for part in (encoder.layer_distances, encoder.skip_distances):
        d = part(encoded, encoded)
        assert (d >= 0).all()
        assert (d.diagonal() == 0).all()
        assert (d == d.T).all()
        for k in range(3):
            assert (d <= d[:, [k]] + d[[k], :] + 1e-9).all()


def mlp(*widths: int) -> Architecture:
    return chain((5,), *(Dense(width) for width in widths), Dense(3))


def chain(shape: Shape, *layers: AbstractLayer) -> Architecture:
    sketch = Sketch()
    for layer in (Input(shape), *layers, Output()):
        sketch.add(layer)
    return Architecture(tuple(sketch.nodes))


def test_a_layer_may_stay_unassigned_on_both_sides():
    """Assigning every layer of the shorter list would violate the triangle inequality."""
    one, other, between = mlp(16, 64, 256, 1024), mlp(1024, 16, 64, 256), mlp(16, 64, 256)
    assert distance(one, between) == distance(between, other) == 1
    assert distance(one, other) == 2


# --- what it sees -------------------------------------------------------------------------------


def changes(layer: AbstractLayer, field: str) -> list[AbstractLayer]:
    """The layer with other values of one field, those that it accepts."""
    value, found = getattr(layer, field), []
    if isinstance(value, tuple):
        others = [(), value[::-1], tuple(one + 1 for one in value)] if value else []
    else:
        others = [not value, value / 2, value + 1, value + 2, 2 * value + 1]
    for other in others:
        try:
            found.append(dataclasses.replace(layer, **{field: other}))
        except InvalidArchitecture:
            continue
    return found


def around(shape: Shape, layer: AbstractLayer) -> Architecture:
    """A network with one layer of interest."""
    flatten = () if len(layer.output_shape([shape])) == 1 else (Flatten(),)
    return chain(shape, layer, *flatten, Dense(3))


def example_to_change(kind: str, field: str) -> tuple[AbstractLayer, int]:
    """The first example whose field can have another value, and the rank of what it reads."""
    fitting = [one for one in LAYER_EXAMPLES[kind] if changes(one[0], field)]
    layer, shapes = fitting[0]
    return layer, len(shapes[0])


SEEN_FIELDS = [
    pytest.param(*example_to_change(kind, field.name), field.name, id=f"{kind}-{field.name}")
    for kind in LAYERS
    if kind not in UNSEEN
    for field in dataclasses.fields(LAYERS[kind])
]


@pytest.mark.parametrize(("layer", "rank", "field"), SEEN_FIELDS)
def test_every_attribute_of_a_layer_is_seen(layer, rank, field):
    shape = (1, 20) if isinstance(layer, Embedding) else (9, 20, 20)[:rank]
    one, others = around(shape, layer), changes(layer, field)
    assert others
    for other in others:
        found = distance(one, around(shape, other))
        assert found == pytest.approx(layer_cost(layer, other))
        assert 0 < found <= 1


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (mlp(8), mlp(16), 1 / 2),
        (mlp(8), mlp(8, 8), 1),
        (mlp(8), mlp(6, 8, 12), 2),
        (chain((5,), Dense(3)), chain((5,), BatchNorm(), ReLU(), Dense(3)), 2),
        (chain((5,), ReLU(), Dense(3)), chain((5,), BatchNorm(), Dense(3)), 1),
        (chain((5,), Dropout(0.2), Dense(3)), chain((5,), Dropout(0.0), Dense(3)), 1),
        (chain((5,), Dropout(0.2), Dense(3)), chain((5,), Dropout(0.4), Dense(3)), 1 / 2),
        (around((2, 8, 8), MaxPool2d()), around((2, 8, 8), AvgPool2d()), 1),
        (around((2, 8, 8), Conv2d(4)), around((2, 8, 8), Conv2d(4, 5)), 0.4 / 3),
        (around((2, 8, 8), Conv2d(4, 3, 1)), around((2, 8, 8), Conv2d(8, 3, 2)), 1 / 3),
        (around((2, 8, 8), Conv2d(4)), around((2, 8, 8), Conv2d(4, bias=False)), 1 / 4),
        (around((2, 8, 8), MaxPool2d(3, 1)), around((2, 8, 8), MaxPool2d(3, 1, 1)), 1 / 3),
        (
            around((2, 8, 8), Conv2d(4, 3, 2)),
            around((2, 8, 8), Conv2d(4, 3, 2, pads=(0, 0, 1, 1))),
            1 / 4,
        ),
        (
            around((2, 8, 8), Conv2d(4, 3, 2, pads=(0, 0, 2, 1))),
            around((2, 8, 8), Conv2d(4, 3, 2, pads=(0, 0, 1, 1))),
            1 / 4 * 1 / 4 * 1 / 3,
        ),
        (around((2, 8, 8), MaxPool2d((2, 1))), around((2, 8, 8), MaxPool2d()), 1 / 2 * 1 / 4),
        (
            around((2, 8, 8), MaxPool2d((2, 1), (2, 1))),
            around((2, 8, 8), MaxPool2d((1, 2), (2, 1))),
            1 / 2 * 1 / 2,
        ),
        (around((2, 8, 8), ReLU()), around((2, 8, 8), ReLU6()), 1),
        (around((2, 8, 8), Zero(2)), around((2, 8, 8), Zero(4)), 1 / 2),
    ],
)
def test_edits_have_the_costs_of_the_definition(one, other, expected):
    assert distance(one, other) == pytest.approx(expected)
    assert distance(other, one) == pytest.approx(expected)


# --- skips --------------------------------------------------------------------------------------


def skipped(merge: AbstractLayer, start: int, end: int, *, depth: int = 6) -> Architecture:
    """A chain of ReLUs, where layer `end` is merged with layer `start`."""
    sketch = Sketch()
    source = last = sketch.add(Input((4,)))
    for index in range(1, depth + 1):
        last = sketch.add(ReLU(), last)
        if index == start:
            source = last
        if index == end:
            last = sketch.add(merge, last, source)
    sketch.add(Dense(3), last)
    sketch.add(Output())
    return Architecture(tuple(sketch.nodes))


@pytest.mark.parametrize("merge", [Add(), Concat()])
@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 6), (2, 4), (5, 6)])
def test_a_skip_is_known_by_its_start_and_how_many_layers_it_spans(merge, start, end):
    assert skips(skipped(merge, start, end)) == ((LAYERS.kind_of(merge), start, end - start),)


def test_skips_may_lie_within_each_other():
    sketch = Sketch()
    start = sketch.add(Input((4,)))
    inner = sketch.add(ReLU())
    sketch.add(Add(), sketch.add(ReLU()), inner)
    sketch.add(Add(), sketch.add(ReLU()), start)
    sketch.add(Dense(3))
    sketch.add(Output())
    assert skips(Architecture(tuple(sketch.nodes))) == (("add", 0, 3), ("add", 1, 1))


def test_a_skip_with_layers_upon_it_starts_where_it_forks_off():
    sketch = Sketch()
    start = sketch.add(Input((4,)))
    long = sketch.add(ReLU(), sketch.add(Dense(4), sketch.add(ReLU(), start)))
    short = sketch.add(Dense(4), start)
    sketch.add(Add(), short, long)
    sketch.add(Dense(3))
    sketch.add(Output())
    assert skips(Architecture(tuple(sketch.nodes))) == (("add", 0, 3),)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (skipped(Add(), 1, 4), skipped(Add(), 1, 4), 0),
        (skipped(Add(), 1, 4), chain((4,), *[ReLU()] * 6, Dense(3)), 1),
        (skipped(Add(), 1, 4), skipped(Concat(), 1, 4), 1),
        (skipped(Add(), 1, 4), skipped(Add(), 2, 4), 2 / 5),  # (1, 3) and (2, 2)
        (skipped(Add(), 0, 0), skipped(Add(), 0, 6), 1),  # (0, 0) and (0, 6)
        (skipped(Add(), 0, 0), skipped(Add(), 0, 0), 0),
    ],
)
def test_skips_have_the_costs_of_the_definition(one, other, expected):
    assert distance(one, other) == pytest.approx(expected)
    assert distance(one, other, skip_weight=0.5) == pytest.approx(expected / 2)


# --- batches ------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(some=groups(7), split=st.integers(0, 7))
def test_a_batch_has_the_distances_of_its_pairs(some, split):
    encoder = Encoder()
    encoded = encoder.encode(some)
    rows, columns = encoded[:split], encoded[split:] + encoded[:1]
    layers = encoder.layer_distances(rows, columns)
    skip = encoder.skip_distances(rows, columns)
    assert layers.shape == skip.shape == (len(rows), len(columns))
    for i, one in enumerate(some[:split]):
        for j, other in enumerate(some[split:] + some[:1]):
            assert layers[i, j] == distance(one, other, skip_weight=0)
            assert layers[i, j] + skip[i, j] == distance(one, other)


def test_an_encoder_that_learns_more_layers_keeps_its_distances():
    encoder = Encoder()
    one, other = encoder.encode([mlp(8), mlp(12)])
    before = encoder.layer_distances([one], [other])
    (later,) = encoder.encode([mlp(20)])
    found = encoder.layer_distances([one], [other, later])
    assert found[0, 0] == before[0, 0] == pytest.approx(1 / 3)
    assert found[0, 1] == pytest.approx(12 / 20)
