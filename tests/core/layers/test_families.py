"""Families: the layers for signals and those for images."""

import dataclasses

import pytest

from core.errors import InvalidArchitecture
from core.layers import FAMILIES, Conv1d, Conv2d, family_of


def test_the_shape_of_values_decides_the_family():
    assert family_of((3, 9)).convolution is Conv1d
    assert family_of((3, 9, 7)).convolution is Conv2d


@pytest.mark.parametrize("axes", list(FAMILIES))
def test_all_layers_of_a_family_work_along_its_axes(axes):
    layers = [getattr(FAMILIES[axes], field.name) for field in dataclasses.fields(FAMILIES[axes])]
    assert {layer.spatial_axes for layer in layers} == {axes}
    assert len(set(layers)) == len(layers)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5, 6), ()])
def test_there_is_no_family_for_other_shapes(shape):
    with pytest.raises(InvalidArchitecture, match=r"expected an image .* or a signal"):
        family_of(shape)
