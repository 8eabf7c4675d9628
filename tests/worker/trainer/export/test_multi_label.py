"""An export that predicts several labels answers like its network, in each of its forms."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import pytest
import torch
from fastapi.testclient import TestClient
from onnx.reference import ReferenceEvaluator

from core.data.datasets import Arrays
from core.graph.building import chain
from core.layers import Conv2d, Dense, Flatten, Input, Output, ReLU
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.worker.orders import order_for
from tests.worker.trainer.running import run
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.export import predict, serve

NETWORK = chain(iter([Input((1, 6, 4)), Conv2d(6), ReLU(), Flatten(), Dense(3), Output()]))
LABELS = ("left", "middle", "right, too")


def arrays(train: int = 160, test: int = 40) -> Arrays:
    """Byte images in which each label brightens a column of its own."""
    rng = np.random.default_rng(0)
    y = (rng.random((train + test, 3)) < (0.5, 0.4, 0.3)).astype(np.uint8)
    x = rng.integers(0, 60, size=(train + test, 1, 6, 4))
    x[:, 0, :, :3] += 150 * y[:, None, :]
    x = x.astype(np.uint8)
    return Arrays(x[:train], y[:train], x[train:], y[train:], LABELS, layout="NHW")


@pytest.fixture(scope="module")
def ended_and_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    storage = Storage((folder / "storage").as_uri())
    order = order_for(
        storage,
        arrays(),
        NETWORK,
        {"epochs": 15, "mixing": 0.2, "label_smoothing": 0.05, "class_weights": "balanced"},
        task="multi-label",
        metric="macro-f1",
        kind=TrialKind.FINAL,
    )
    environment = TrainingEnvironment(
        storage=storage, cache=folder, device=torch.device("cpu"), threads=1
    )
    threads = torch.get_num_threads()
    ended, _ = run(order, environment)
    torch.set_num_threads(threads)
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(folder / "export")
    return ended, folder / "export"


def test_the_program_predicts_the_labels_of_new_examples(ended_and_folder):
    ended, folder = ended_and_folder
    data, model = arrays(), predict.Model(folder)
    p = model.probabilities(data.x_test[:, 0])

    assert ended.status is TrialStatus.COMPLETED
    assert ended.test.metric > 0.95
    assert list(ended.test.measures) == ["mean average precision", "AUROC", "exact match"]
    assert ((p >= 0.5) == data.y_test).all(axis=1).mean() == ended.test.measures["exact match"]
    expected = [[LABELS[k] for k in np.flatnonzero(row >= 0.5)] for row in p]
    assert model.predict(data.x_test[:, 0]) == expected
    assert {len(one) for one in expected} >= {0, 1, 2}


def test_the_command_prints_the_labels_of_an_example_on_one_line(ended_and_folder, tmp_path):
    _, folder = ended_and_folder
    x = arrays().x_test[:, 0]
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, folder / "predict.py", tmp_path / "x.npy"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    expected = predict.Model(folder).predict(x)

    assert lines[:-1] == ["\t".join(one) for one in expected]


def test_the_server_and_the_onnx_file_have_the_same_probabilities(ended_and_folder):
    _, folder = ended_and_folder
    x = arrays().x_test[:, 0]
    model = predict.Model(folder)
    p = model.probabilities(x)
    client = TestClient(serve.create_app(predict, folder))
    answer = client.post("/predict", json={"examples": x[:3].tolist()}).json()["predictions"]
    file = onnx.load(folder / "model.onnx")
    (found,) = ReferenceEvaluator(file).run(None, {"examples": x})

    assert [one["labels"] for one in answer] == model.predict(x[:3])
    assert [*answer[0]["probabilities"].values()] == pytest.approx(p[0].tolist(), abs=1e-5)
    np.testing.assert_allclose(found, p, atol=1e-5)
    facts = {one.key: one.value for one in file.metadata_props}
    assert (facts["task"], json.loads(facts["classes"])) == ("multi-label", list(LABELS))


def test_the_card_says_that_there_are_several_labels(ended_and_folder):
    card = (ended_and_folder[1] / "README.md").read_text()
    assert "A network that finds the labels of images, for the data set" in card
    assert "| labels | 3, each predicted from a probability of 0.5 on |" in card
    assert "| test macro F1 |" in card
    assert "| test exact match |" in card
