"""The JSON of layers, by hand."""

import pytest

from core.errors import InvalidArchitecture
from core.layers import (
    AvgPool2d,
    Conv2d,
    Input,
    field_names,
    layer_from_json,
    layer_to_json,
    optional_fields,
)


@pytest.mark.parametrize(
    ("layer", "data"),
    [
        (Input((3, 8)), {"kind": "input", "shape": [3, 8]}),
        (Conv2d(4), {"kind": "conv2d", "filters": 4, "kernel": 3, "stride": 1}),
        (
            Conv2d(4, 5, 2, bias=False),
            {"kind": "conv2d", "filters": 4, "kernel": 5, "stride": 2, "bias": False},
        ),
        (
            Conv2d(4, 3, 2, pads=(0, 0, 1, 1)),
            {"kind": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "pads": [0, 0, 1, 1]},
        ),
        (
            AvgPool2d((2, 3), (2, 1)),
            {"kind": "avg_pool2d", "size": [2, 3], "stride": [2, 1]},
        ),
        (AvgPool2d(3, 1, 1), {"kind": "avg_pool2d", "size": 3, "stride": 1, "padding": 1}),
    ],
)
def test_json_has_the_kind_and_the_fields_without_optional_defaults(layer, data):
    assert layer_to_json(layer) == data
    assert layer_from_json(data) == layer


def test_optional_fields_are_those_that_differ_from_their_default():
    assert field_names(AvgPool2d) == (
        "size",
        "stride",
        "padding",
        "ceil_mode",
        "pads",
        "count_include_pad",
    )
    assert optional_fields(AvgPool2d()) == {}
    assert optional_fields(AvgPool2d(3, 1, 1, count_include_pad=True)) == {
        "padding": 1,
        "count_include_pad": True,
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "unknown layer None; known are: add, "),
        ({"kind": 3}, "unknown layer 3"),
        ({"kind": "conv3d"}, "unknown layer 'conv3d'"),
        ({"kind": "dense"}, r"has the fields \[\]; expected \['units'\], and at most \['bias'\]"),
        ({"kind": "relu", "slope": 1}, r"has the fields \['slope'\]; expected \[\]$"),
    ],
)
def test_json_of_no_layer_says_what_was_found_and_expected(data, message):
    with pytest.raises(InvalidArchitecture, match=message):
        layer_from_json(data)
