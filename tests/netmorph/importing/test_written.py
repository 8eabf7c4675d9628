"""Architectures that a person writes become those that the service takes, or are refused."""

import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.layers import LAYERS, AbstractLayer, AvgPool2d, Conv2d, Dense, MaxPool2d
from netmorph.errors import UnreadableNetwork
from netmorph.importing.files import read
from netmorph.importing.written import MAIN_FIELDS, USUAL_FIELDS

TEXT = """
input: [1, 8, 8]            # a comment
layers:
  - conv2d: 16
  - batch_norm
  - relu
  - conv2d: {filters: 16, kernel: 5, bias: false, name: wide}
  - add: [relu, wide]
  - max_pool2d
  - dropout: 0.25
  - flatten
  - dense: 10
"""
DATA = yaml.safe_load(TEXT)


def architecture(path: Path) -> Architecture:
    """The architecture as the service reads it."""
    network = read(path)
    assert network.weights is None
    return Architecture.from_json(json.loads(network.architecture))


@pytest.mark.parametrize(
    ("name", "text"), [("mine.yaml", TEXT), ("mine.YML", TEXT), ("mine.json", json.dumps(DATA))]
)
def test_a_few_lines_are_an_architecture(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    found = architecture(tmp_path / name)
    assert [LAYERS.kind_of(node.layer) for node in found.nodes] == [
        "input", "conv2d", "batch_norm", "relu", "conv2d", "add", "max_pool2d", "dropout",
        "flatten", "dense", "output",
    ]  # fmt: skip
    assert (found.node(1).layer, found.node(4).layer) == (Conv2d(16), Conv2d(16, 5, bias=False))
    assert (found.node(6).layer, found.node(9).layer) == (MaxPool2d(), Dense(10))
    assert found.node(5).inputs == (3, 4)
    assert found.output_shape == (10,)


def test_pads_are_a_list(tmp_path):
    lines = "[conv2d: {filters: 4, stride: 2, pads: [0, 0, 1, 1]}, flatten, dense: 3]"
    (tmp_path / "mine.yaml").write_text(f"input: [1, 8, 8]\nlayers: {lines}")
    found = architecture(tmp_path / "mine.yaml")
    assert found.node(1).layer == Conv2d(4, 3, 2, pads=(0, 0, 1, 1))


def test_the_size_and_the_stride_of_a_pool_may_be_lists(tmp_path):
    lines = "[max_pool2d: {size: [2, 1], stride: [2, 1]}, avg_pool2d: [1, 2], flatten, dense: 3]"
    (tmp_path / "mine.yaml").write_text(f"input: [1, 8, 8]\nlayers: {lines}")
    found = architecture(tmp_path / "mine.yaml")
    assert found.node(1).layer == MaxPool2d((2, 1), (2, 1))
    assert found.node(2).layer == AvgPool2d((1, 2))


def test_what_may_be_left_out_is_what_layers_have_by_default():
    def declared(kind: str) -> dict[str, object]:
        cls: type[AbstractLayer] = LAYERS[kind]
        return {
            field.name: field.default
            for field in fields(cls)  # type: ignore[arg-type]
            if field.name not in cls.optional
        }

    for kind in LAYERS:
        given = declared(kind)
        usual = {name: value for name, value in given.items() if value is not MISSING}
        assert USUAL_FIELDS.get(kind, {}) == usual, kind
        main = [MAIN_FIELDS[kind]] if kind in MAIN_FIELDS else []
        assert main == list(given)[:1] or kind in ("input", "embedding")


#: A list of 9 to the power of 9 words.
HUGE = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds a NoneType; expected an object"),
        ("- relu", "holds a list; expected an object"),
        ("input: [1, 8", "is not YAML"),
        ("layers: [relu]", "expected 'input', the shape of an example, and a list 'layers'"),
        ("input: [1, 8]\nlayers: relu", "a list 'layers'"),
        ("input: 64\nlayers: [relu]", "input is 64; expected the shape of one example"),
        ("input: [1, true]\nlayers: [relu]", "input is list; expected the shape"),
        ("input: [4]\nlayers: [3]", "layer 1 is 3; expected a layer, such as relu"),
        ("input: [4]\nlayers: [{dense: 3, relu: 1}]", "layer 1 is dict; expected a layer"),
        ("input: [4]\nlayers: [relu: 3]", "layer 1 is relu: 3; expected relu alone"),
        ("input: [4]\nlayers: [relu: [x]]", "layer 1 is relu: list; expected relu alone"),
        ("input: [4]\nlayers: [dense: {units: [3]}]", "has 'units' list; expected a number"),
        ("input: [4]\nlayers: [conv2d: {pads: [1.5]}]", "'pads' list; expected a list of integers"),
        ("input: [4]\nlayers: [max_pool2d: {size: [2, x]}]", "or a list with one for each axis"),
        ("input: [4]\nlayers: [conv2d: {pads: 3}]", "'pads' 3; expected a list of integers"),
        ("input: [4]\nlayers: [dense: {units: .nan}]", "is no architecture: Out of range"),
        ("input: [4]\nlayers: [dense: {1: 3}]", "layer 1 has 1 3; expected a number"),
        ("input: [4]\nlayers: [relu, add: [relu, tanh]]", "reads 'tanh'; expected .*: input, relu"),
        ("input: [4]\nlayers: [add: {inputs: relu}]", "has inputs 'relu'; expected a list"),
        ("input: [4]\nlayers: [" + "relu, " * 501 + "]", "has 501 layers; expected at most 500"),
        (f"{HUGE}\ninput: *i\nlayers: []", "is no architecture: expected 'input'"),
        ("input: [4]\nlayers: [!!python/name:os.system x]", "is not YAML"),
    ],
)
def test_another_form_is_refused_with_what_is_expected(text, words, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UnreadableNetwork, match=words):
        read(tmp_path / "mine.yaml")


@pytest.mark.parametrize("layer", ["swish", "conv2d", "dense: {units: 3, depth: 2}"])
def test_kinds_and_fields_are_checked_by_the_service(layer, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"input: [1, 8, 8]\nlayers: [{layer}]")
    with pytest.raises(InvalidArchitecture, match=r"unknown layer|has the fields"):
        architecture(tmp_path / "mine.yaml")
