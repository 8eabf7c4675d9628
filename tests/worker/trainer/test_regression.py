"""Regression from the order to the export: images, signals and vectors; one number and several."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from core.data.datasets import Arrays
from core.data.splits import strata, validation_split
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialKind, TrialStatus
from tests.worker.orders import described, order_for
from tests.worker.trainer.running import run
from worker.trainer.export import predict

SHAPES = {"NHW": (1, 6, 5), "NCL": (2, 9), "NF": (7,)}


def arrays(layout: str = "NF", targets: int = 1, *, noise: float = 0.1, seed: int = 0) -> Arrays:
    """Targets that are linear in the examples, far from zero and of small scale."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(150, *SHAPES[layout])).astype(np.float32)
    flat = x.reshape(len(x), -1)
    y = flat @ rng.normal(size=(flat.shape[1], targets)) / np.sqrt(flat.shape[1])
    y = 1e3 + 1e-2 * (y + noise * rng.normal(size=y.shape))
    names = ("y",) if targets == 1 else tuple(f"y{k}" for k in range(targets))
    return Arrays(x[:110], y[:110], x[110:], y[110:], (), layout=layout, target_names=names)


def order_of(storage, data, hyperparameters=None, **changes):
    root = roots(described(data), Bounds())[0]
    quick = {"epochs": 12, "learning_rate": 0.01} | (hyperparameters or {})
    return order_for(storage, data, root, quick, task="regression", **changes)


def unpacked(packed: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(("layout", "targets"), [("NHW", 1), ("NCL", 2), ("NF", 3)])
def test_an_export_predicts_in_the_users_units_what_was_tested(
    layout, targets, storage, environment, tmp_path
):
    data = arrays(layout, targets)
    ended, _ = run(order_of(storage, data, kind=TrialKind.FINAL), environment)

    assert ended.status is TrialStatus.COMPLETED
    folder = unpacked(storage.get(ended.export), tmp_path / "net")
    model = predict.Model(folder)
    x = data.x_test[:, 0] if layout == "NHW" else data.x_test
    found = model.predict(x)
    assert r2_score(data.y_test, found) == pytest.approx(ended.test.metric, abs=1e-4)
    assert ended.test.metric > 0.2
    last = "" if targets == 1 else f" y{targets - 1}"
    for name, error in (("RMSE", root_mean_squared_error), ("MAE", mean_absolute_error)):
        expected = error(data.y_test[:, -1], found[:, -1])
        assert ended.test.measures[f"{name}{last}"] == pytest.approx(expected, rel=1e-3)
    scale = json.loads((folder / "preprocess.json").read_text())["targets"]
    np.testing.assert_allclose(scale["mean"], data.y_train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale["std"], data.y_train.std(axis=0), rtol=1e-9)
    card = (folder / "README.md").read_text()
    std = " ± " if targets == 1 else " |"  # of several targets it is no metric
    assert f"| test RMSE{last} | {ended.test.measures[f'RMSE{last}']:.4g}{std}" in card
    shown = json.loads((folder / "metrics.json").read_text())["targets"][-1]
    errors = found[:, -1] - data.y_test[:, -1]
    assert shown["mean_error"] == pytest.approx(errors.mean(), rel=1e-2, abs=1e-4)
    assert shown["largest_absolute_error"] == pytest.approx(abs(errors).max(), rel=1e-2)
    assert f"| predicts | {', '.join(data.target_names)} |" in card
    assert "class" not in card


def test_the_program_prints_numbers_with_the_digits_that_mean_something(
    storage, environment, tmp_path
):
    data = arrays("NF", 2)
    ended, _ = run(order_of(storage, data, {"epochs": 4}, kind=TrialKind.FINAL), environment)
    folder = unpacked(storage.get(ended.export), tmp_path / "net")
    np.save(tmp_path / "x.npy", data.x_test[:3])
    command = [sys.executable, folder / "predict.py", tmp_path / "x.npy"]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    rows = np.array([line.split("\t") for line in said.splitlines()], float)
    expected = predict.Model(folder).values(data.x_test[:3])
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-7)  # of a scale of 0.01
    as_json = predict.as_json(predict.Model(folder), expected[0], None)
    assert as_json == {"values": {"y0": expected[0, 0], "y1": expected[0, 1]}}
    with pytest.raises(predict.InputError, match="predicts numbers, not classes"):
        predict.Model(folder).probabilities(data.x_test)


def test_a_trial_reports_r_squared_and_errors_on_its_validation_examples(storage, environment):
    data = arrays()
    ended, recorder = run(order_of(storage, data), environment)

    assert ended.status is TrialStatus.COMPLETED
    assert 0.4 < ended.value <= 1
    assert ended.value_std > 0
    _, held_out = validation_split(strata(data.y_train), 0.2, 0)
    spread = data.y_train[held_out].std()
    assert ended.measures["RMSE"] == pytest.approx(spread * np.sqrt(1 - ended.value), rel=1e-4)
    assert recorder.epochs[-1].validation_metric <= 1


def test_a_training_no_better_than_the_mean_is_infeasible(storage, environment):
    slow = {"epochs": 60, "learning_rate": 1e-12, "label_smoothing": 0.1}
    ended, _ = run(order_of(storage, arrays(), slow), environment)

    assert ended.status is TrialStatus.INFEASIBLE
    assert "best constant prediction has 1.0" in ended.reason
