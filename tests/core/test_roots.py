"""The architectures that searches start from."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bounds import fits
from core.contracts import Bounds, DatasetSpec
from core.errors import InvalidInput
from core.forward import forward
from core.morphisms import MORPHISMS
from core.roots import roots
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


SPECS = [spec(1, 8, 8), spec(1, 28, 28), spec(3, 32, 32, classes=100), spec(4), spec(64)]


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
    assert list(MORPHISMS[kind].candidates(roots(data, Bounds())[0], Bounds()))


@given(
    shape=st.one_of(
        st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)),
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


def test_bounds_that_no_root_meets_are_refused_with_what_the_smallest_needs():
    with pytest.raises(InvalidInput, match="the smallest start"):
        roots(spec(1, 28, 28), Bounds(parameters=100))
