"""The promises of every registered layer."""

import dataclasses
import json

import numpy as np
import pytest

from core.errors import InvalidArchitecture
from core.layers import (
    LAYERS,
    AbstractLayer,
    Axis,
    Channels,
    layer_from_json,
    layer_to_json,
)
from tests.strategies import ACTIVATIONS, LAYER_EXAMPLES

EXAMPLES = [
    pytest.param(layer, shapes, id=f"{layer}-{shapes}")
    for kind in LAYERS
    for layer, shapes in LAYER_EXAMPLES[kind]
]
COMPUTING = [example for example in EXAMPLES if example.values[1]]
SINGLE = [example for example in COMPUTING if len(example.values[1]) == 1]
every_layer = pytest.mark.parametrize(("layer", "shapes"), EXAMPLES)
every_computing_layer = pytest.mark.parametrize(("layer", "shapes"), COMPUTING)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def parameters_of(layer: AbstractLayer, shapes, rng):
    return {
        name: rng.uniform(0.5, 2, shape) * (1 if name == "running_var" else rng.choice([-1, 1]))
        for name, shape in layer.parameter_shapes(shapes).items()
    }


def inputs_of(shapes, rng):
    return [rng.normal(size=(3, *shape)) for shape in shapes]


def test_every_kind_has_examples():
    assert set(LAYER_EXAMPLES) == set(LAYERS)


@every_layer
def test_a_layer_is_a_value_that_survives_json(layer, shapes):
    again = layer_from_json(json.loads(json.dumps(layer_to_json(layer))))
    assert again == layer
    assert hash(again) == hash(layer)
    assert again is not layer
    for field in dataclasses.fields(layer):
        with pytest.raises(AttributeError):
            setattr(layer, field.name, 1)


@every_computing_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_gives_the_promised_shape_in_the_same_precision(layer, shapes, rng, dtype):
    parameters = {k: v.astype(dtype) for k, v in parameters_of(layer, shapes, rng).items()}
    inputs = [x.astype(dtype) for x in inputs_of(shapes, rng)]
    y = layer.forward(parameters, inputs)
    assert y.shape == (3, *layer.output_shape(shapes))
    assert y.dtype == dtype


@every_computing_layer
def test_examples_of_a_batch_do_not_influence_each_other(layer, shapes, rng):
    parameters, inputs = parameters_of(layer, shapes, rng), inputs_of(shapes, rng)
    batched = layer.forward(parameters, inputs)
    single = [layer.forward(parameters, [x[i : i + 1] for x in inputs]) for i in range(3)]
    np.testing.assert_allclose(batched, np.concatenate(single), rtol=1e-12, atol=1e-12)


@every_layer
def test_axes_and_initial_values_fit_the_parameter_shapes(layer, shapes, rng):
    expected = layer.parameter_shapes(shapes)
    assert set(layer.axes) >= set(expected) >= set(layer.buffers)
    assert set(layer.axes) - set(expected) == (set() if getattr(layer, "bias", True) else {"bias"})
    for name, shape in expected.items():
        assert len(layer.axes[name]) == len(shape)
    initial = layer.initial_parameters(shapes, rng, np.float32)
    assert {name: array.shape for name, array in initial.items()} == expected
    assert all(array.dtype == np.float32 for array in initial.values())


@every_computing_layer
def test_outputs_declared_as_never_negative_are_not(layer, shapes, rng):
    parameters = parameters_of(layer, shapes, rng)
    if layer.nonnegative([False] * len(shapes)):
        assert layer.forward(parameters, inputs_of(shapes, rng)).min() >= 0
    if layer.nonnegative([True] * len(shapes)):
        assert layer.forward(parameters, [abs(x) for x in inputs_of(shapes, rng)]).min() >= 0


@pytest.mark.parametrize(("layer", "shapes"), SINGLE)
def test_parameters_run_over_the_channels_that_their_axes_name(layer, shapes, rng):
    """Reordering the input's channels and the axes over them reorders the output."""
    parameters, (x,) = parameters_of(layer, shapes, rng), inputs_of(shapes, rng)
    order = rng.permutation(shapes[0][0])
    moved = dict(parameters)
    for name in parameters:
        for index, axis in enumerate(layer.axes[name]):
            if axis in (Axis.CONSUMED, Axis.CARRIED):
                moved[name] = moved[name].take(order, axis=index)
    y, z = layer.forward(parameters, [x]), layer.forward(moved, [x[:, order]])
    if layer.channels is Channels.SAME:
        y = y[:, order]
    elif layer.channels is Channels.FLATTENED:
        y = y.reshape(3, len(order), -1)[:, order].reshape(3, -1)
    np.testing.assert_allclose(z, y, rtol=1e-12, atol=1e-12)


@every_computing_layer
def test_a_produced_axis_makes_the_output_channels_one_by_one(layer, shapes, rng):
    if layer.channels is not Channels.OWN:
        with pytest.raises(InvalidArchitecture, match="no width"):
            layer.with_width(5)
        return
    wider = layer.with_width(7)
    assert wider.output_shape(shapes) == (7, *layer.output_shape(shapes)[1:])
    parameters, inputs = parameters_of(wider, shapes, rng), inputs_of(shapes, rng)
    kept = np.array([5, 0, 3])
    fewer = {
        name: array.take(kept, axis=layer.axes[name].index(Axis.PRODUCED))
        for name, array in parameters.items()
    }
    y = layer.with_width(3).forward(fewer, inputs)
    np.testing.assert_allclose(y, wider.forward(parameters, inputs)[:, kept], rtol=1e-12)


@every_computing_layer
def test_a_shortcut_changes_the_spatial_axes_as_the_layer_does(layer, shapes):
    for shape in shapes:
        shortcut = layer.shortcut(shapes)
        if shortcut is not None:
            assert shortcut.parameter_shapes([shape]) == {}
            assert shortcut.output_shape([shape])[1:] == layer.output_shape(shapes)[1:]
        elif len(shape) > 1:
            assert layer.output_shape(shapes)[1:] == shape[1:]


@every_layer
def test_costs_are_counts(layer, shapes):
    assert layer.flops(shapes) >= 0
    assert layer.kept_values(shapes) >= 0


@pytest.mark.parametrize("kind", list(LAYERS))
def test_json_with_an_extra_or_a_missing_field_is_refused(kind):
    data = layer_to_json(LAYER_EXAMPLES[kind][0][0])
    with pytest.raises(InvalidArchitecture, match="expected"):
        layer_from_json(data | {"colour": 1})
    for name in set(data) - {"kind"}:
        with pytest.raises(InvalidArchitecture, match="expected"):
            layer_from_json({key: value for key, value in data.items() if key != name})
        for wrong in (0, True, *WRONG):
            if (kind, wrong) != ("dropout", 0):
                with pytest.raises(InvalidArchitecture):
                    layer_from_json(data | {name: wrong})


#: Values that no field takes.
WRONG = (-1, None, "3", [], 2.5, float("nan"), [0, 0, 0], [[1], [1], [1]])


@pytest.mark.parametrize("kind", list(LAYERS))
def test_an_optional_field_is_left_out_of_json_at_its_default(kind):
    for layer, _ in LAYER_EXAMPLES[kind]:
        data, defaults = layer_to_json(layer), defaults_of(type(layer))
        for name in layer.optional:
            assert (name in data) == (getattr(layer, name) != defaults[name])
            again = layer_from_json(data | {name: getattr(layer, name)})
            assert layer_to_json(again) == data
            other = int if type(defaults[name]) is bool else bool
            for wrong in (other(defaults[name]), *WRONG):  # the first equal, of another type
                if wrong == [] and defaults[name] == ():
                    continue
                with pytest.raises(InvalidArchitecture, match="expected"):
                    layer_from_json(data | {name: wrong})


def defaults_of(cls):
    return {field.name: field.default for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("kind", list(LAYERS))
def test_every_optional_field_has_an_example_at_its_default_and_one_beside_it(kind):
    defaults = defaults_of(LAYERS[kind])
    for name in LAYERS[kind].optional:
        values = [getattr(layer, name) == defaults[name] for layer, _ in LAYER_EXAMPLES[kind]]
        assert set(values) == {True, False}


@pytest.mark.parametrize(
    "kind",
    sorted(
        set(LAYERS)
        - {"input", "batch_norm", "gate", "dropout", "zero"}  # these take all, as the following
        - {LAYERS.kind_of(layer) for layer in ACTIVATIONS}
    ),
)
def test_inputs_that_do_not_fit_are_refused_with_what_is_expected(kind):
    layer, _ = LAYER_EXAMPLES[kind][0]
    fitting = {len(shapes[0]) for _, shapes in LAYER_EXAMPLES[kind]}
    other_ranks = [(3, 4, 4)[:rank] for rank in (1, 2, 3) if rank not in fitting]
    single = [[shape] for shape in other_ranks]
    for wrong in single if layer.inputs == 1 else [[(3, 4, 4), (2, 2, 2)]]:
        with pytest.raises(InvalidArchitecture, match="expected"):
            layer.output_shape(wrong)
