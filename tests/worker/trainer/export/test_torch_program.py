"""The network of an export as a program of torch.export."""

import dataclasses
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from core.graph.building import chain
from core.graph.node import Node
from core.layers import LAYERS, Dense, Flatten, Input, Output
from core.protocol.contracts.results import TestMetrics
from netmorph import predictor
from tests.strategies import LAYER_EXAMPLES, random_weights
from tests.worker.orders import CLASSES, arrays
from tests.worker.trainer.export.inputs import inputs_of
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.export import export, predict, torch_program

TESTED = TestMetrics(metric=1.0, loss=0.0, examples=30)


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """The folder of an export with the program of its network."""
    copied = shutil.copytree(folder, tmp_path_factory.mktemp("program") / "net")
    assert predictor.write_torch_program(copied) == copied / "model.pt2"
    return copied


def test_the_file_predicts_as_the_exported_program_does_for_any_number_of_examples(written):
    x, expected = arrays().x_test, predict.Model(written).probabilities(arrays().x_test)
    extra = {"facts.json": ""}
    program = torch.export.load(written / "model.pt2", extra_files=extra).module()
    for count in (1, len(x)):
        found = program(torch.from_numpy(x[:count])).numpy()
        np.testing.assert_allclose(found, expected[:count], atol=1e-4)
    assert json.loads(extra["facts.json"]) == {"layout": "NCHW", "classes": list(CLASSES)}


def test_the_manifest_says_how_each_file_was_checked(written):
    manifest = json.loads((written / "manifest.json").read_text())
    assert {name: entry["tolerance"] for name, entry in manifest.items()} == {
        "predict.py": 1e-5,
        "model.onnx": 1e-4,
        "model.pt2": 1e-4,
    }
    assert "16 random examples" in manifest["model.pt2"]["checked"]


def test_the_file_has_no_paths_of_this_computer(written):
    with zipfile.ZipFile(written / "model.pt2") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("models/model.json"))
        assert b".py" not in archive.read(name)


def test_a_file_with_other_results_is_refused(written):
    model = predict.Model(written)
    x, file = torch_program.random_examples(model), (written / "model.pt2").read_bytes()
    torch_program.check(io.BytesIO(file), model, x)
    for parameters in model.parameters.values():
        parameters["weight"] += 0.1
    with pytest.raises(torch_program.ProgramMismatch, match="for 16 random examples differ"):
        torch_program.check(io.BytesIO(file), model, x)


@pytest.mark.parametrize("layout", ["NF", "NL", "NLC", "NCL", "NHW", "NHWC", "NCHW"])
def test_examples_have_the_axes_of_the_data_set(layout):
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 4)[: {"F": 2}.get(layout[-1], 9)])
    x = x if len(layout) == 4 or "H" in layout or layout == "NF" else x[..., 0]
    there = torch_program.in_layout(x, layout)
    np.testing.assert_array_equal(torch_program.arranged(there, layout).numpy(), x)


def test_numbers_are_in_the_units_of_the_data_set(job, tmp_path):
    """The module alone: how programs are written is tested above."""
    x = 1e9 + np.random.default_rng(0).normal(size=(5, 1, 4, 3))  # float32 would lose it all
    targets = TargetScale(("a", "b"), (-2e6, 5.0), (1e6, 1e-3))
    changes = {"layout": "NHW", "input_shape": (1, 4, 3), "dtype": "float64", "classes": 0,
               "class_names": (), "target_names": targets.names}  # fmt: skip
    spec = job.dataset_spec.model_copy(update=changes)
    job = dataclasses.replace(job, task="regression", dataset_spec=spec)
    network = chain(iter([Input((1, 4, 3)), Flatten(), Dense(2), Output()]))
    weights = random_weights(network, np.random.default_rng(0), np.float32)
    packed = export(job, network, weights, inputs_of(x, targets=targets), TESTED)
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path)
    model = predict.Model(tmp_path)
    found = torch_program.Program(model, predict.KINDS)(torch_program.in_layout(x, "NHW"))
    np.testing.assert_array_equal(found.numpy(), model.values(x[:, 0]))
    assert torch_program.facts(model) == {"layout": "NHW", "targets": ["a", "b"]}


class EveryLayer(nn.Module):
    """Every kind of layer, on inputs that are constants times the examples, (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.calls = [
            (json_of(layer), parameters_of(layer, shapes, rng), constants_of(shapes, rng))
            for kind in LAYERS
            if kind != "input"
            for layer, shapes in LAYER_EXAMPLES[kind]
        ]

    def forward(self, x):
        for layer, parameters, constants in self.calls:
            inputs = [x.view(-1, *[1] * one.dim()) * one for one in constants]
            yield predict.KINDS[layer["kind"]](layer, parameters, inputs).flatten(1).sum(dim=1)


def json_of(layer):
    return Node(0, layer).to_json()


def parameters_of(layer, shapes, rng):
    return {
        name: torch.from_numpy(rng.uniform(0.5, 2, shape).astype(np.float32))
        for name, shape in layer.parameter_shapes(shapes).items()
    }


def constants_of(shapes, rng):
    return [torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in shapes]


@pytest.mark.slow  # torch.export takes its time for many operations
def test_every_kind_of_layer_is_exported_for_any_number_of_examples():
    layers = EveryLayer()
    shape = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(Stacked(layers), (torch.ones(2, 1),), dynamic_shapes=shape)
    x = torch.linspace(-2, 2, 5).view(-1, 1)
    expected = torch.stack(list(layers(x)))
    torch.testing.assert_close(program.module()(x), expected, rtol=1e-4, atol=1e-3)


class Stacked(nn.Module):
    def __init__(self, layers) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return torch.stack(list(self.layers.forward(x)))
