"""The export has all the files that it promises."""

import json

import pytest

from core.graph.architecture import Architecture
from tests.worker.orders import CLASSES, NETWORK


def test_the_folder_has_all_promised_files(folder, ended):
    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors",
        "model.json",
        "model.onnx",
        "preprocess.json",
        "classes.json",
        "predict.py",
        "serve.py",
        "torch_program.py",
        "manifest.json",
        "Dockerfile",
        "requirements.txt",
        "README.md",
        "metrics.json",
    }
    assert Architecture.from_json(json.loads((folder / "model.json").read_text())) == NETWORK
    assert json.loads((folder / "classes.json").read_text("utf-8")) == list(CLASSES)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics.pop("test_measures")) == {
        "AUROC",
        "balanced accuracy",
        "log-loss",
        "macro F1",
    }
    assert set(metrics.pop("test_stds")) == set(ended.test.measures)
    detail = {name: metrics.pop(name) for name in ("classes", "confusion", "calibration")}
    assert sum(map(sum, detail["confusion"])) == 30
    assert metrics.pop("test_std") == pytest.approx(0.05, abs=0.05)
    assert metrics == {
        "metric": "accuracy",
        "test": ended.test.metric,
        "test_loss": ended.test.loss,
        "test_examples": 30,
        "validation": 0.8125,
        "validation_std": 0.0123,
        "comparison": None,
        "compute_in_winner": None,
    }
