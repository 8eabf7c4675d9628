"""The architectures that searches start from."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.graph.bounds import fits
from core.graph.forward import forward
from core.graph.root_kinds import BUILDERS
from core.graph.roots import all_roots, kinds_of_roots, racing_kinds, roots
from core.graph.weights import check
from core.layers import Conv1d, Conv2d
from core.morphisms import MORPHISMS, TransferRequest, sample
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec, TextSpec
from tests.strategies import generators, random_inputs, random_weights


def spec(*shape: int, classes: int = 10) -> DatasetSpec:
    return DatasetSpec(
        input_shape=shape,
        classes=classes,
        class_names=tuple(map(str, range(classes))),
        train_examples=1000,
        test_examples=200,
        dtype="float32",
    )


def text_spec() -> DatasetSpec:
    return spec(1, 24).model_copy(update={"text": TextSpec(length=24, vocabulary=60)})


SPECS = [
    text_spec(),
    spec(1, 8, 8),
    spec(1, 28, 28),
    spec(3, 32, 32, classes=100),
    spec(1, 16),
    spec(9, 128),
    spec(4),
    spec(64),
]


# --- by hand ------------------------------------------------------------------------------------


def sides(root, kind):
    """The output shapes of the layers of one kind."""
    return [root.shapes[node.id] for node in root.nodes if isinstance(node.layer, kind)]


def test_filters_double_with_each_halving_of_an_image():
    (root,) = roots(spec(3, 32, 32), Bounds())
    assert sides(root, Conv2d) == [(16, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4)]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (64, [(16, 64), (32, 16), (64, 8), (128, 4)]),  # long: first reduced by four
        (63, [(16, 63), (32, 31), (64, 15), (128, 7)]),
        (7, [(16, 7)]),
        (8, [(16, 8), (32, 4)]),
    ],
)
def test_long_signals_are_reduced_by_four_at_once(length, expected):
    (root,) = roots(spec(1, length), Bounds())
    assert sides(root, Conv1d) == expected


def test_a_race_starts_with_the_kinds_that_learn_late_and_ends_with_the_default():
    assert racing_kinds(spec(4)) == ("mlp",)
    images, signals = racing_kinds(spec(3, 32, 32)), racing_kinds(spec(1, 100))
    assert images == (
        *("vgg", "resnet9", "resnet"),
        *("strided", "mobilenet", "densenet", "mlp", "cnn"),
    )
    assert signals[:3] == ("fcn", "fcn-resnet", "vgg")
    assert signals[-1] == "cnn"
    texts = racing_kinds(text_spec())
    assert texts == ("bag-of-words", "text-resnet", "text-cnn")
    assert set(signals) | set(texts) == set(BUILDERS)


def test_a_root_that_is_too_wide_is_halved_until_it_fits():
    wide = all_roots(spec(1, 28, 28), Bounds())["vgg"]
    narrow = all_roots(spec(1, 28, 28), Bounds(width=40))["vgg"]
    assert max(shape[0] for shape in sides(wide, Conv2d)) == 64
    assert [shape[0] for shape in sides(narrow, Conv2d)] == [
        shape[0] // 2 for shape in sides(wide, Conv2d)
    ]


# --- of any data and bounds ----------------------------------------------------------------------


@pytest.mark.parametrize("data", SPECS, ids=lambda data: str(data.input_shape))
def test_roots_run_on_the_data_within_the_default_bounds(data):
    rng = np.random.default_rng(0)
    found = roots(data, Bounds())
    assert len(set(found)) == len(found) >= 1
    for root in found:
        assert root.input_shape == data.input_shape
        assert root.output_shape == (data.classes,)
        assert fits(root, Bounds())
        y = forward(root, random_weights(root, rng), random_inputs(root, rng, count=2))
        assert np.isfinite(y).all()


@pytest.mark.parametrize("data", SPECS, ids=lambda data: str(data.input_shape))
@pytest.mark.parametrize("kind", ["deepen", "widen", "add_skip", "concat_skip"])
def test_the_papers_morphisms_apply_to_the_default_root(data, kind):
    root = roots(data, Bounds())[0]
    starts = [root]
    if data.text is not None and "skip" in kind:  # its branches have one layer each
        starts = [one.apply(root) for one in MORPHISMS["deepen"].candidates(root, Bounds())]
    assert any(list(MORPHISMS[kind].candidates(start, Bounds())) for start in starts)


@given(
    shape=st.one_of(
        st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)),
        st.tuples(st.integers(1, 4), st.integers(1, 300)),
        st.tuples(st.integers(1, 50)),
    ),
    rng=generators,
    width=st.integers(8, 64),
    parameters=st.integers(100, 100_000),
)
def test_roots_for_any_shape_are_within_the_bounds_or_refused(shape, rng, width, parameters):
    bounds = Bounds(width=width, parameters=parameters)
    found = []
    with suppress(InvalidInput):
        found += roots(spec(*shape), bounds)
    for root in found:
        assert fits(root, bounds)
        assert forward(root, random_weights(root, rng), random_inputs(root, rng)).shape == (4, 10)


def test_bounds_that_no_root_meets_are_refused_with_the_size_of_the_smallest():
    with pytest.raises(InvalidInput, match="the smallest root"):
        roots(spec(1, 28, 28), Bounds(parameters=100))


def test_no_root_has_an_excluded_layer():
    bounds = Bounds(without_layers=("max_pool2d",))
    assert "cnn" not in all_roots(spec(1, 28, 28), bounds)
    (root,) = roots(spec(1, 28, 28), bounds)
    assert fits(root, bounds)
    with pytest.raises(InvalidInput, match=r"\(1, 28, 28\) has one of the excluded layers dense"):
        roots(spec(1, 28, 28), Bounds(without_layers=("dense", "silu")))


@pytest.mark.parametrize("data", SPECS, ids=lambda data: str(data.input_shape))
def test_every_kind_of_start_runs_on_the_data(data):
    rng = np.random.default_rng(0)
    found = all_roots(data, Bounds())
    assert set(found) == set(kinds_of_roots(data)) <= set(BUILDERS)
    assert len(set(found.values())) == len(found)
    for root in found.values():
        assert root.input_shape == data.input_shape
        assert root.output_shape == (data.classes,)
        y = forward(root, random_weights(root, rng), random_inputs(root, rng, count=2))
        assert np.isfinite(y).all()


@pytest.mark.parametrize("data", SPECS, ids=lambda data: str(data.input_shape))
def test_the_head_of_every_start_can_be_deepened_and_then_widened(data):
    for root in all_roots(data, Bounds()).values():
        dense = [m for m in MORPHISMS["deepen"].candidates(root, Bounds()) if m.block == "dense"]
        assert dense
        child = dense[-1].apply(root)
        widths = {m.node_id for m in MORPHISMS["widen"].candidates(child, Bounds())}
        assert root.next_id in widths


def test_long_signals_get_few_resolutions_and_no_more_filters_than_images():
    root = roots(spec(1, 1000), Bounds())[0]
    assert len(root.nodes) <= 30
    assert max(shape[0] for shape in root.shapes.values() if len(shape) > 1) == 128
    assert min(shape[1] for shape in root.shapes.values() if len(shape) > 1) < 8


def test_starts_shrink_to_the_bounds_or_are_left_out():
    small = Bounds(parameters=8_000)
    found = all_roots(spec(1, 28, 28), small)
    assert 0 < len(found) < len(BUILDERS)
    assert all(fits(root, small) for root in found.values())


def chain_change(root, dtype, tolerance, rng) -> None:
    """Apply twelve random morphisms; those that should preserve the function do."""
    weights = random_weights(root, rng, dtype=dtype)
    x = random_inputs(root, rng, count=3).astype(dtype)
    before = forward(root, weights, x)
    architecture = root
    bounds = Bounds(layers=150, width=256)
    for _ in range(12):
        for morphism, child in sample(architecture, bounds, rng, 1):
            weights = morphism.transfer(TransferRequest(architecture, weights, rng))
            check(child, weights)
            after = forward(child, weights, x)
            if morphism.preserves_function:
                assert np.abs(after - before).max() <= tolerance * np.abs(before).max(), morphism
            architecture, before = child, after


SMALL = [spec(1, 8, 8), spec(3, 9, 7), spec(2, 20), spec(6)]
STARTS = [(data, kind) for data in SMALL for kind in all_roots(data, Bounds())]


@pytest.mark.parametrize(("data", "kind"), STARTS, ids=lambda one: getattr(one, "input_shape", one))
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_a_chain_of_morphisms_keeps_the_function_of_every_start(data, kind, dtype, tolerance):
    root = all_roots(data, Bounds())[kind]
    seed = int(dtype == np.float32)  # another chain in each precision
    chain_change(root, dtype, tolerance, np.random.default_rng([seed, 17]))


@pytest.mark.slow
@pytest.mark.timeout(20_000)
@pytest.mark.parametrize(("data", "kind"), STARTS, ids=lambda one: getattr(one, "input_shape", one))
def test_ten_thousand_chains_keep_the_function(data, kind):
    root = all_roots(data, Bounds())[kind]
    for seed in range(10_000 // (2 * len(STARTS)) + 1):
        for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-5)):
            chain_change(root, dtype, tolerance, np.random.default_rng([seed, 18]))
