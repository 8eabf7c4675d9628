"""Any array that is accepted for training is predicted by the export as by the worker."""

import bz2
import dataclasses
import gzip
import io
import json
import lzma
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from core.data import intake
from core.data.formats import ReadLimits
from core.errors import ExportMismatch, InvalidDataset
from core.graph.building import chain
from core.layers import Conv1d, Conv2d, Dense, Flatten, Input, Output, ReLU
from core.protocol.contracts.results import TestMetrics
from tests.strategies import random_weights
from tests.worker.orders import NETWORK, arrays
from tests.worker.trainer.export.inputs import inputs_of
from worker.trainer.data.examples import Examples
from worker.trainer.export import export, predict, serve
from worker.trainer.export.check import check_export
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.loading import network_with

CPU = torch.device("cpu")
LAYOUTS = ("NHW", "NHWC", "NCHW", "NL", "NLC", "NCL", "NF")
COUNT = 12
Y = np.arange(COUNT) % 3
TESTED = TestMetrics(metric=1.0, loss=0.0, examples=COUNT)


@st.composite
def files(draw):
    """The arrays of an npz file: examples of any layout, type, scale and offset."""
    layout = draw(st.sampled_from(LAYOUTS))
    sides = st.sampled_from((1, 2, 3, 4, 5, 8, 13))
    equal = draw(st.none() | sides)  # the shape of a cube does not say which axis is which
    shape = [COUNT, *(equal or draw(sides) for _ in layout[1:])]
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    scale = 10.0 ** draw(st.sampled_from((-60, -13, -3, 0, 2, 9, 40)))
    x = scale * (x + draw(st.sampled_from((0.0, 1.0, 1e8))))
    dtype = draw(st.sampled_from(("f8", "f4", ">f4", "f2", "u1", "i8", ">u2", "?")))
    if np.dtype(dtype).kind != "f":
        x = np.clip(np.nan_to_num(50 + 50 * x), 0, 255)
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    explicit = {} if layout in ("NHW", "NF") and draw(st.booleans()) else {"layout": layout}
    return explicit | {"x": x if np.isfinite(x.astype(float)).all() else np.ones_like(x)}


def network_for(shape):
    """A small network that reads every axis in its order."""
    kinds = {1: (), 2: (Conv1d(3), ReLU(), Flatten()), 3: (Conv2d(3), ReLU(), Flatten())}
    return chain(iter([Input(shape), *kinds[len(shape)], Dense(3), Output()]))


def packed(given_arrays):
    data = {"x_train": given_arrays["x"], "x_test": given_arrays["x"], "y_train": Y, "y_test": Y}
    more = {name: array for name, array in given_arrays.items() if name != "x"}
    buffer = io.BytesIO()
    np.savez(buffer, **data, **more)
    return buffer


@torch.inference_mode()
def worker_outputs(architecture, weights, examples):
    network = network_with(architecture, weights, Compute(CPU)).eval()
    return torch.cat([network(x) for x, _ in examples.batches(predict.BATCH)])


def exported_outputs(folder, path, **options):
    model = predict.Model(folder)
    source = predict.Reader(model, **options).source(path)
    return torch.cat([model.outputs(model.normalise(x)) for _, x in source.batches()])


@st.composite
def signals_of_different_lengths(draw):
    """The arrays of an npz file: signals that end with NaN where the longest one does not."""
    layout = draw(st.sampled_from(("NL", "NLC", "NCL")))
    channels, length = draw(st.sampled_from((1, 2, 5))), draw(st.sampled_from((2, 5, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(COUNT, 1 if layout == "NL" else channels, length))
    x *= 10.0 ** draw(st.sampled_from((-13, 0, 9)))
    lengths = rng.integers(1, length + 1, COUNT)
    lengths[:2] = length, 1
    x[np.broadcast_to(np.arange(length) >= lengths[:, None, None], x.shape)] = np.nan
    x = {"NL": x[:, 0], "NLC": x.swapaxes(1, 2), "NCL": x}[layout]
    return {"x": x.astype(draw(st.sampled_from(("f8", "f4", ">f8")))), "layout": layout}


@settings(max_examples=40, deadline=None)
@given(given_arrays=files())
def test_an_export_predicts_any_accepted_array_as_the_worker_does(given_arrays, job):
    assert_predicted_as_by_the_worker(given_arrays, job)


@settings(max_examples=15, deadline=None)
@given(given_arrays=signals_of_different_lengths())
def test_an_export_predicts_signals_of_different_lengths_as_the_worker_does(given_arrays, job):
    exported = assert_predicted_as_by_the_worker(given_arrays, job)
    x, layout = given_arrays["x"], given_arrays["layout"]
    axis = layout.index("L")
    lists = [without_gaps(one, axis - 1) for one in x]
    longer = np.concatenate([x, np.full_like(x, np.nan)], axis=axis)
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(io.BytesIO(exported)) as archive:
        archive.extractall(name)
        model = predict.Model(Path(name))
        client = TestClient(serve.create_app(predict, Path(name)))
    expected = model.probabilities(x)
    answer = client.post("/predict", json={"examples": [one.tolist() for one in lists]}).json()
    assert [one["class"] for one in answer["predictions"]] == model.predict(x)
    assert client.post("/predict", json={"examples": [1.0]}).status_code == 422
    np.testing.assert_array_equal(model.probabilities(longer), expected)
    stored = intake.read(packed(given_arrays), ReadLimits()).arrays.x_train
    np.testing.assert_array_equal(model.probabilities(stored, "NCL"), expected)
    np.testing.assert_array_equal(model.probabilities(model.together(lists)), expected)
    assert_files_of_lists_are_read(model, lists, expected)


def assert_files_of_lists_are_read(model: Any, lists: list[Any], expected: Any) -> None:
    columns = {"id": list(map(str, range(len(lists)))), "signal": [one.tolist() for one in lists]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    with tempfile.TemporaryDirectory() as name:
        (lines, table) = Path(name) / "new.jsonl", Path(name) / "new.parquet"
        lines.write_text("\n".join(map(json.dumps, rows)), "utf-8")
        parquet.write_table(pa.table(columns), table)
        for path in (lines, table):
            (_, x), *_ = predict.Reader(model).source(path).batches()
            found = model.probabilities_of(model.outputs(model.normalise(x)), str)
            np.testing.assert_array_equal(found, expected)
        for pack in (gzip.compress, bz2.compress, lzma.compress):
            (packed_lines := Path(name) / "new.jsonl.packed").write_bytes(pack(lines.read_bytes()))
            (_, x), *_ = predict.Reader(model).source(packed_lines).batches()
            found = model.probabilities_of(model.outputs(model.normalise(x)), str)
            np.testing.assert_array_equal(found, expected)
            packed_lines.write_bytes(pack(lines.read_bytes())[:-9])
            with pytest.raises(predict.InputError, match="cannot be unpacked"):
                predict.Reader(model).source(packed_lines)
        for wrong, message in (
            ({"a": 1}, "expected one column of lists; found none"),
            (
                {"a": [1], "b": [2]},
                "found 'a', 'b': give the examples alone, or choose them by --key NAME",
            ),
            ({"a": []}, "the list at index 0 is missing or empty"),
            ({"a": ["x"]}, "lists of different lengths or no numbers"),
        ):
            lines.write_text(json.dumps(wrong), "utf-8")
            with pytest.raises(predict.InputError, match=message):
                predict.Reader(model).source(lines)


def without_gaps(signal, axis):
    others = tuple(k for k in range(signal.ndim) if k != axis)
    return np.compress(~np.isnan(signal).all(axis=others), signal, axis)


def test_gaps_in_signals_are_refused_in_training_and_prediction() -> None:
    x = np.random.default_rng(0).normal(size=(COUNT, 9))
    x[3, 4] = np.nan
    with pytest.raises(InvalidDataset, match="only at the end of all channels of shorter signals"):
        intake.read(packed({"x": x, "layout": "NL"}), ReadLimits())


def assert_predicted_as_by_the_worker(given_arrays, job):
    """Returns the archive of the export."""
    file = packed(given_arrays)
    found = intake.read(file, ReadLimits())
    data, described = found.arrays, found.spec
    architecture = network_for(described.input_shape)
    weights = random_weights(architecture, np.random.default_rng(0), np.float32)
    inputs = inputs_of(data.x_train)
    examples = Examples(data.x_train, data.y_train, inputs.normalisation, CPU)
    expected = worker_outputs(architecture, weights, examples)
    assert expected.isfinite().all()
    job = dataclasses.replace(job, dataset_spec=described)
    exported = export(job, architecture, weights, inputs, TESTED)
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(io.BytesIO(exported)) as archive:
        folder = Path(name)
        archive.extractall(folder)
        np.save(folder / "x.npy", given_arrays["x"])
        assert torch.equal(exported_outputs(folder, folder / "x.npy"), expected)
        (folder / "x.npz").write_bytes(file.getvalue())
        assert torch.equal(exported_outputs(folder, folder / "x.npz", key="x_train"), expected)
    return exported


@pytest.fixture
def offered(job):
    """A network that reads images as NHWC, as the arguments of its check, and its export."""
    described = job.dataset_spec.model_copy(update={"layout": "NHWC", "input_shape": (4, 6, 4)})
    job = dataclasses.replace(job, dataset_spec=described)
    x = np.random.default_rng(0).integers(0, 99, (20, 4, 6, 4)).astype(np.uint8)
    architecture = network_for((4, 6, 4))
    weights = random_weights(architecture, np.random.default_rng(0), np.float32)
    inputs = inputs_of(x)
    return (
        described,
        architecture,
        weights,
        inputs,
        export(job, architecture, weights, inputs, TESTED),
    )


def changed(exported, name, change):
    """The export with another content of one file."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(exported)) as before,
        zipfile.ZipFile(buffer, "w") as after,
    ):
        for entry in before.namelist():
            content = before.read(entry)
            after.writestr(entry, change(content) if entry == name else content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("preprocess.json", b'"NHWC"', b'"NCHW"', "refuses training examples in the form of their"),
        (
            "preprocess.json",
            b'"in_float64": false',
            b'"in_float64": true',
            "prepared values for 20 training",
        ),
        ("model.json", b'"relu"', b'"gate"', "differ from those of the network by up to"),
    ],
)
def test_an_export_that_predicts_anything_else_is_not_offered(offered, name, old, new, message):
    described, architecture, weights, inputs, exported = offered
    check_export(exported, described, architecture, weights, inputs)
    wrong = changed(exported, name, lambda content: content.replace(old, new))
    assert wrong != changed(exported, name, lambda content: content)
    with pytest.raises(ExportMismatch, match=message):
        check_export(wrong, described, architecture, weights, inputs)


def test_weights_of_another_network_are_not_offered(offered):
    described, architecture, weights, inputs, exported = offered
    node, names = next((node, names) for node, names in weights.items() if "weight" in names)
    other = weights | {node: names | {"weight": np.nextafter(names["weight"], np.float32(9))}}
    with pytest.raises(ExportMismatch, match="exported weights differ"):
        check_export(exported, described, architecture, other, inputs)


def test_the_network_that_was_tested_is_the_exported_one(ended, folder, tmp_path):
    """Its test metric is that of the exported program on the test examples, to the last bit."""
    data = arrays()
    np.save(tmp_path / "x.npy", data.x_test)
    outputs = exported_outputs(folder, tmp_path / "x.npy")
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(data.y_test))
    assert (outputs.argmax(1).numpy() == data.y_test).mean() == pytest.approx(ended.test.metric)
    assert float(loss * len(outputs)) / len(outputs) == ended.test.loss
    assert NETWORK.input_shape == data.x_test.shape[1:]
