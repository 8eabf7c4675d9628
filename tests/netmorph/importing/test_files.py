"""Networks of exports and of JSON files, and the options that belong to ONNX files alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import numpy as safetensors

from core.graph.building import chain
from core.graph.forward import forward
from core.graph.weights import save
from core.layers import Conv2d, Dense, Flatten, Input, Output, ReLU
from netmorph.errors import ClientError, UnreadableNetwork
from netmorph.importing.files import read
from netmorph.importing.preparation import Preparation
from tests.netmorph.importing.test_convert import architecture_of, ours
from tests.strategies import random_weights

NETWORK = chain(iter([Input((2, 5, 4)), Conv2d(3), ReLU(), Flatten(), Dense(3), Output()]))
WEIGHTS = random_weights(NETWORK, np.random.default_rng(0), np.float32)
MEAN, STD = (90.0, 0.5), (40.0, 0.25)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export of Netmorph, as far as it is read."""
    (tmp_path / "model.json").write_text(json.dumps(NETWORK.to_json()))
    (tmp_path / "weights.safetensors").write_bytes(save(WEIGHTS))
    (tmp_path / "preprocess.json").write_text(json.dumps({"mean": MEAN, "std": STD}))
    return tmp_path


def test_an_export_keeps_its_function_of_stored_examples(folder):
    mean, std = (np.reshape(values, (1, 2, 1, 1)) for values in (MEAN, STD))
    stored = np.random.default_rng(1).normal(size=(4, 2, 5, 4)) * std + mean
    exact = {
        node: {name: array.astype(float) for name, array in arrays.items()}
        for node, arrays in WEIGHTS.items()
    }
    expected = forward(NETWORK, exact, (stored - mean) / std)
    network = read(folder)
    assert (network.name, network.notes) == (folder.name, ())
    assert np.abs(ours(network, stored) - expected).max() < 1e-5 * np.abs(expected).max()


def test_an_export_that_predicts_numbers_gives_them_in_the_units_of_the_data_set(folder):
    mean, std = (np.reshape(values, (1, 2, 1, 1)) for values in (MEAN, STD))
    stored = np.random.default_rng(1).normal(size=(4, 2, 5, 4)) * std + mean
    before = ours(read(folder), stored)
    scale = {"names": ["a", "b", "c"], "mean": [1e3, 0.0, -5.0], "std": [1e-2, 1.0, 7.0]}
    described = {"mean": MEAN, "std": STD, "targets": scale}
    (folder / "preprocess.json").write_text(json.dumps(described))
    expected = before * scale["std"] + scale["mean"]
    np.testing.assert_allclose(ours(read(folder), stored), expected, rtol=1e-5, atol=1e-5)


def test_an_architecture_alone_has_no_weights(folder):
    network = read(folder / "model.json")
    assert (network.weights, network.parameters) == (None, None)
    assert json.loads(network.architecture) == NETWORK.to_json()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("model.json", b"{}", "is no architecture"),
        ("model.json", b'{"version": 1, "nodes": []}', "no export of Netmorph"),
        ("preprocess.json", b"{}", "no export of Netmorph"),
        ("preprocess.json", b"[" * 99_999, "is not JSON"),
        ("weights.safetensors", b"PK", "no safetensors file"),
        ("model.json", b" " * (2**20 + 1), "bytes; expected at most"),
    ],
)
def test_a_damaged_export_is_refused(folder, name, data, words):
    (folder / name).write_bytes(data)
    with pytest.raises(UnreadableNetwork, match=words):
        read(folder)


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(UnreadableNetwork, match=r"model.json cannot be read"):
        read(tmp_path)


def test_a_preparation_belongs_to_an_onnx_file(folder):
    with pytest.raises(ClientError, match="are for ONNX files"):
        read(folder, Preparation(scale=255))


@pytest.mark.parametrize(
    ("preparation", "words"),
    [
        (Preparation(scale=0), "expected numbers above 0"),
        (Preparation(std=(1.0, 0.0)), "expected numbers above 0"),
        (Preparation(mean=(1.0, 2.0, 3.0)), "one finite number, or 2, one for each channel"),
        (Preparation(mean=(float("nan"),)), "one finite number"),
    ],
)
def test_an_impossible_preparation_is_refused(preparation, words):
    with pytest.raises(ClientError, match=words):
        preparation.affine(2)


def test_weights_of_an_export_are_the_ones_of_its_file(folder):
    _, weights = architecture_of(read(folder))
    stored = safetensors.load((folder / "weights.safetensors").read_bytes())
    assert {f"{node}.{name}" for node, arrays in weights.items() for name in arrays} - {
        f"{NETWORK.next_id}.{name}" for name in ("weight", "bias", "running_mean", "running_var")
    } == set(stored)
