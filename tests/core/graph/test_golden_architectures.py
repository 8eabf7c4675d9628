"""Architectures and morphisms as released: they must always load, with the same fingerprint."""

import json
from pathlib import Path

import pytest

from core.graph.architecture import Architecture
from core.layers import LAYERS
from core.morphisms import MORPHISMS, from_json, to_json

ASSETS = Path(__file__).parents[2] / "assets"
ARCHITECTURES = sorted((ASSETS / "architectures").glob("*.json"))
MORPHISM_FILES = sorted((ASSETS / "morphisms").glob("*.json"))


@pytest.mark.parametrize("path", ARCHITECTURES, ids=lambda path: path.stem)
def test_a_released_architecture_loads_under_its_fingerprint(path):
    golden = json.loads(path.read_text())
    architecture = Architecture.from_json(golden["architecture"])
    assert architecture.fingerprint == golden["fingerprint"]
    assert architecture.parameters == golden["parameters"]
    assert architecture.to_json() == golden["architecture"]


@pytest.mark.parametrize("path", MORPHISM_FILES, ids=lambda path: path.stem)
def test_a_released_morphism_loads(path):
    golden = json.loads(path.read_text())
    for data in golden["morphisms"]:
        assert to_json(from_json(data)) == data


def test_every_kind_is_among_the_golden_ones():
    layers = {
        node["kind"]
        for path in ARCHITECTURES
        for node in json.loads(path.read_text())["architecture"]["nodes"]
    }
    morphisms = {
        data["kind"]
        for path in MORPHISM_FILES
        for data in json.loads(path.read_text())["morphisms"]
    }
    assert layers == set(LAYERS)
    assert morphisms == set(MORPHISMS)
