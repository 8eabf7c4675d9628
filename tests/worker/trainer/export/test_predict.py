"""The exported program predicts what the network did, without Netmorph."""

import ast
import dataclasses
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from typer.testing import CliRunner

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.weights import load
from core.layers import LAYERS, layer_to_json
from core.protocol.contracts.results import TestMetrics
from netmorph.cli import app
from tests.strategies import (
    LAYER_EXAMPLES,
    architectures,
    generators,
    morphed_architectures,
    random_weights,
)
from tests.worker.orders import CLASSES, NETWORK, arrays
from tests.worker.trainer.export.inputs import inputs_of
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.export import export, predict


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reference(architecture, weights, normalisation, x):
    """The probabilities by the numpy reference, in double precision."""
    view = (1, -1) + (1,) * (x.ndim - 2)
    mean, std = (np.array(values).reshape(view) for values in normalisation)
    double = {
        node: {name: array.astype(np.float64) for name, array in parameters.items()}
        for node, parameters in weights.items()
    }
    return softmax(forward(architecture, double, (x - mean) / std))


def run_program(folder, path, *options, **environment):
    return subprocess.run(
        [sys.executable, "-P", folder / "predict.py", path, *options],
        cwd=path.parent,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )


def test_the_program_in_a_new_process_predicts_what_the_network_did(folder, ended, tmp_path):
    data = arrays()
    np.save(tmp_path / "test.npy", data.x_test)
    latin = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}  # of an older system
    done = run_program(folder, tmp_path / "test.npy", "--json", **latin, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    found = np.array([[line["probabilities"][name] for name in CLASSES] for line in lines])

    weights = load((folder / "weights.safetensors").read_bytes())
    normalisation = Normalisation.of(data.x_train)
    expected = reference(NETWORK, weights, (normalisation.mean, normalisation.std), data.x_test)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    named = [CLASSES.index(line["class"]) for line in lines]
    assert named == found.argmax(axis=1).tolist()
    assert np.mean(named == data.y_test) == pytest.approx(ended.test.metric)


def test_the_program_prints_one_class_name_a_line(folder, tmp_path):
    x = arrays().x_test[:5]
    np.save(tmp_path / "test.npy", x[:, 0])  # grey images need no axis of channels
    done = run_program(folder, tmp_path / "test.npy", PYTHONIOENCODING="utf-8")
    expected = predict.Model(folder).predict(x)
    assert done.stdout.decode().splitlines() == expected
    assert len(expected) == 5


def test_the_program_is_a_copy_of_the_module_and_imports_only_what_it_names(folder):
    source = (folder / "predict.py").read_text()
    assert source == Path(predict.__file__).read_text()
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {
        "numpy", "torch", "safetensors", "PIL", "pyarrow"
    }  # fmt: skip


def test_the_program_knows_every_layer():
    assert set(predict.KINDS) == set(LAYERS)


@pytest.mark.parametrize("kind", list(LAYERS))
def test_the_program_computes_each_layer_as_the_reference(kind):
    rng = np.random.default_rng(0)
    for layer, shapes in LAYER_EXAMPLES[kind]:
        inputs = [rng.normal(size=(3, *shape)) for shape in shapes]
        parameters = {
            name: rng.uniform(0.5, 2, shape)
            for name, shape in layer.parameter_shapes(shapes).items()
        }
        if kind == "input":
            expected = rng.normal(size=(3, *layer.shape))
            inputs = [expected]
        else:
            expected = layer.forward(parameters, inputs)
        found = predict.KINDS[kind](
            json.loads(json.dumps(layer_to_json(layer))),
            {name: torch.from_numpy(array) for name, array in parameters.items()},
            [torch.from_numpy(x) for x in inputs],
        )
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-9)


def assert_predicts_the_reference(architecture: Architecture, rng, job) -> None:
    weights = random_weights(architecture, rng, np.float32)
    channels = architecture.input_shape[0]
    normalisation = Normalisation(
        tuple(rng.normal(size=channels).tolist()), tuple(rng.uniform(0.5, 2, channels).tolist())
    )
    x = rng.normal(size=(5, *architecture.input_shape)).astype(np.float32)
    changes = {"input_shape": architecture.input_shape, "dtype": "float32"}
    spec = job.dataset_spec.model_copy(update=changes)
    job = dataclasses.replace(job, dataset_spec=spec)
    test = TestMetrics(metric=0.5, loss=1.0, examples=30)
    packed = export(job, architecture, weights, inputs_of(x, normalisation), test)
    with tempfile.TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(unpacked)
        model = predict.Model(Path(unpacked))
    expected = reference(architecture, weights, (normalisation.mean, normalisation.std), x)
    np.testing.assert_allclose(model.probabilities(x, batch=2), expected, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(architecture=architectures(), rng=generators)
def test_any_exported_network_predicts_as_the_reference(architecture, rng, job):
    assert_predicts_the_reference(architecture, rng, job)


@settings(max_examples=10, deadline=None)
@given(architecture=morphed_architectures(), rng=generators)
def test_any_exported_morphed_network_predicts_as_the_reference(architecture, rng, job):
    assert_predicts_the_reference(architecture, rng, job)


@pytest.mark.parametrize(
    "arranged",
    [
        lambda x: x[:, 0],
        lambda x: x[..., None],
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">u2"),
        lambda x: x[::-1][::-1],
    ],
)
def test_examples_may_have_other_axes_and_types(folder, arranged):
    model, x = predict.Model(folder), arrays().x_test
    np.testing.assert_array_equal(model.probabilities(arranged(x)), model.probabilities(x))


def test_examples_may_be_few_many_or_in_a_mapped_file(folder, tmp_path):
    model, x = predict.Model(folder), np.tile(arrays().x_test, (20, 1, 1, 1))
    assert model.probabilities(x).shape == (600, 3)
    assert model.probabilities(x[:0]).shape == (0, 3)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    torch.set_warn_always(True)
    try:
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        np.testing.assert_array_equal(model.probabilities(mapped), model.probabilities(x))
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 4, 6, 2), (2, 24), (6,)])
def test_examples_of_another_shape_are_refused_with_what_is_expected(folder, shape):
    with pytest.raises(predict.InputError) as refused:
        predict.Model(folder).probabilities(np.zeros(shape, np.uint8))
    assert str(refused.value).startswith(
        f"examples have shape {shape}; expected (N, 1, 6, 4), the axes NCHW; "
    )


def test_the_command_line_predicts_as_the_program_of_the_export(folder, tmp_path):
    np.save(tmp_path / "test.npy", arrays().x_test[:3])
    expected = run_program(folder, tmp_path / "test.npy", "--json").stdout.decode()
    command = CliRunner().invoke(
        app, ["predict", str(folder), str(tmp_path / "test.npy"), "--json"]
    )
    assert (command.exit_code, command.stdout) == (0, expected)
    for wrong, words in (
        ([str(tmp_path), "x.npy"], "is no export: it has no model.json; expected the folder"),
        ([str(folder), str(tmp_path / "no.npy")], "there is no file or folder"),
    ):
        refused = CliRunner().invoke(app, ["predict", *wrong])
        assert refused.exit_code == 1
        assert words in " ".join(refused.stderr.split())
