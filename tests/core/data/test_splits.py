"""The validation split is stratified, exact in size and the same for the same seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.data.splits import final_split, validation_split

labels = st.lists(st.integers(0, 4), min_size=2, max_size=300).map(np.array)
fractions = st.floats(0.02, 0.5)


@given(y=labels, fraction=fractions, seed=st.integers(0, 2**31 - 1))
def test_every_example_is_on_one_side(y: np.ndarray, fraction: float, seed: int) -> None:
    train, validation = validation_split(y, fraction, seed)

    assert sorted([*train, *validation]) == list(range(len(y)))


@given(y=labels, fraction=fractions, seed=st.integers(0, 2**31 - 1))
def test_every_class_is_trained_on_and_validated_in_proportion(
    y: np.ndarray, fraction: float, seed: int
) -> None:
    train, validation = validation_split(y, fraction, seed)

    for label, size in zip(*np.unique(y, return_counts=True), strict=True):
        held = int((y[validation] == label).sum())
        assert (y[train] == label).any()
        assert held >= min(1, size - 1)
        assert abs(held - size * fraction) <= 1


@given(y=labels, fraction=fractions, seed=st.integers(0, 2**31 - 1))
def test_the_same_seed_gives_the_same_split(y: np.ndarray, fraction: float, seed: int) -> None:
    first, second = validation_split(y, fraction, seed), validation_split(y, fraction, seed)

    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_the_size_is_the_requested_fraction_and_the_seed_matters() -> None:
    y = np.repeat(np.arange(10), 137)

    train, validation = validation_split(y, 0.2, seed=1)

    assert len(validation) == round(0.2 * len(y))
    assert len(train) == len(y) - len(validation)
    assert not np.array_equal(validation, validation_split(y, 0.2, seed=2)[1])


def test_a_final_fit_holds_out_an_example_even_of_a_validation_split_of_one():
    y = np.array([0, 1, 0, 1, 0])
    training, held = final_split(y, np.array([3]), 0.25, seed=0)
    assert (training.tolist(), held.tolist()) == ([0, 1, 2, 4], [3])
