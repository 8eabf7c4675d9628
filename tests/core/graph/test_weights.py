"""Weights: initial ones, their bytes, and the errors for invalid ones."""

import numpy as np
import pytest
from hypothesis import given

from core.errors import CorruptBlob
from core.graph.initialisation import initialise
from core.graph.weights import check, flatten, load, save, unflatten
from tests.strategies import architectures, generators, random_weights


@given(architecture=architectures(), rng=generators)
def test_weights_survive_as_bytes(architecture, rng):
    weights = random_weights(architecture, rng, np.float32)
    again = load(save(weights))
    check(architecture, again)
    assert flatten(again).keys() == flatten(weights).keys()
    for name, array in flatten(weights).items():
        np.testing.assert_array_equal(flatten(again)[name], array)


@given(architecture=architectures(), rng=generators)
def test_initial_weights_fit_and_keep_the_size_of_values(architecture, rng):
    weights = initialise(architecture, rng)
    check(architecture, weights)
    assert all(array.dtype == np.float32 for array in flatten(weights).values())


@given(architecture=architectures(steps=3), rng=generators)
def test_weights_of_other_shapes_are_refused(architecture, rng):
    good = flatten(random_weights(architecture, rng))
    name = str(rng.choice(sorted(good)))
    bad = [
        {key: array for key, array in good.items() if key != name},
        good | {"999.weight": np.ones(3)},
        good | {name: good[name][None]},
        good | {name: np.full_like(good[name], np.nan)},
        good | {name: np.full_like(good[name], np.inf)},
    ]
    check(architecture, unflatten(good))
    for tensors in bad:
        with pytest.raises(CorruptBlob):
            check(architecture, unflatten(tensors))


@pytest.mark.parametrize("name", ["weight", ".weight", "1.", "x.weight", "-1.weight", "²3.weight"])
def test_names_that_are_no_parameters_are_refused(name):
    with pytest.raises(CorruptBlob, match=r"expected '<node id>\.<parameter>'"):
        unflatten({name: np.ones(1)})


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\xff" * 64])
def test_bytes_that_are_no_safetensors_are_refused(data):
    with pytest.raises(CorruptBlob, match="not safetensors"):
        load(data)


def test_bytes_cut_short_are_refused():
    data = save({1: {"weight": np.ones((3, 3), np.float32)}})
    with pytest.raises(CorruptBlob):
        load(data[:-1])
