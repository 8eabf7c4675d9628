"""The checks that layers share, and the defaults of a layer."""

import pytest

from core.errors import InvalidArchitecture
from core.layers import Conv1d, Dense, ReLU
from core.layers.abstract import check_boolean, check_positive, feature_count, spatial_sides


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
def test_sizes_are_integers_of_at_least_one(value):
    check_positive(Dense(1), units=1)
    with pytest.raises(InvalidArchitecture, match=r"Dense has units .*; expected an integer of at"):
        check_positive(Dense(1), units=value)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_switches_are_true_or_false(value):
    check_boolean(Dense(1), bias=False)
    with pytest.raises(InvalidArchitecture, match=r"Dense has bias .*; expected true or false"):
        check_boolean(Dense(1), bias=value)


def test_the_sides_of_a_shape_leave_out_the_channels():
    assert spatial_sides(Conv1d(1), (3, 9), 1) == (9,)
    assert spatial_sides(Conv1d(1), (3, 9, 7), 2) == (9, 7)


@pytest.mark.parametrize(("axes", "words"), [(1, "a signal"), (2, "an image")])
def test_a_shape_with_other_axes_is_refused_with_what_is_expected(axes, words):
    for shape in ((3,), (3, 4, 5, 6)):
        with pytest.raises(InvalidArchitecture, match=f"of shape .*; expected {words}"):
            spatial_sides(Conv1d(1), shape, axes)


def test_a_vector_has_one_axis():
    assert feature_count(Dense(1), (7,)) == 7
    with pytest.raises(InvalidArchitecture, match=r"expected a vector \(features,\)"):
        feature_count(Dense(1), (7, 1))


def test_an_activation_has_neither_parameters_nor_a_width():
    assert ReLU().parameter_shapes([(3,)]) == {}
    assert ReLU().shortcut([(3, 4)]) is None
    with pytest.raises(InvalidArchitecture, match="it has no width"):
        ReLU().with_width(3)
