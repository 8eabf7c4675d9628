"""The ONNX file of eight bits, and what it is said to cost."""

import io
import json
import sys
import zipfile

import numpy as np
import onnx
import pytest
import torch

from core.protocol.states import TrialKind
from core.protocol.storage import Storage
from tests.worker.orders import CLASSES, arrays, order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.export.onnx_model import head_of

onnxruntime = pytest.importorskip("onnxruntime")
FILE = "model.int8.onnx"


@pytest.fixture(scope="module")
def final_fit(tmp_path_factory):
    """Runs a final fit whose export has a file of eight bits; returns the export, unpacked."""
    folder = tmp_path_factory.mktemp("int8")
    storage = Storage((folder / "storage").as_uri())
    order = order_for(storage, hyperparameters={"epochs": 6}, kind=TrialKind.FINAL, history=HISTORY)
    order = order.model_copy(update={"int8": True})
    environment = TrainingEnvironment(
        storage=storage, cache=folder, device=torch.device("cpu"), threads=1
    )

    def make(name):
        threads = torch.get_num_threads()
        ended, _ = run(order, environment)
        torch.set_num_threads(threads)
        with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
            archive.extractall(folder / name)
        return folder / name

    return make


@pytest.fixture(scope="module")
def folder(final_fit):
    return final_fit("net")


def test_its_metric_on_the_test_split_is_stated(folder):
    session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"examples": arrays().x_test})
    accuracy = float((found.argmax(1) == arrays().y_test).mean())
    stated = json.loads((folder / "manifest.json").read_text())[FILE]
    exact = json.loads((folder / "metrics.json").read_text())["test"]
    assert stated == {
        "measured": "accuracy on the 30 test examples",
        "test": pytest.approx(accuracy),
        "test_of_network": exact,
        "lost": pytest.approx(exact - accuracy),
    }
    card = (folder / "README.md").read_text("utf-8")
    assert f"its accuracy is {100 * accuracy:.2f} %" in card
    assert f"that of the network {100 * exact:.2f} %" in card


def test_it_computes_in_eight_bits_what_the_other_file_does(folder):
    model = onnx.load(folder / FILE)
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert [one.domain for one in model.opset_import] == [""]
    facts = {fact.key: fact.value for fact in model.metadata_props}
    assert json.loads(facts["classes"]) == list(CLASSES)
    results = [
        onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"]).run(
            None, {"examples": arrays().x_test}
        )[0]
        for name in (FILE, "model.onnx")
    ]
    assert 0 < np.abs(results[0] - results[1]).max() < 0.1


def test_without_onnxruntime_the_export_says_what_to_install(final_fit, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    other = final_fit("without")
    assert not (other / FILE).exists()
    missing = json.loads((other / "manifest.json").read_text())[FILE]["missing"]
    assert "pip install 'netmorph[int8]'" in missing
    assert missing in (other / "README.md").read_text("utf-8")


@pytest.mark.parametrize("task", ["image-classification", "multi-label", "regression"])
def test_results_mean_the_outputs_that_they_come_from(task, job):
    targets = TargetScale(("a", "b", "c"), (1e6, 0.0, -3.0), (1e-1, 1.0, 50.0))
    head = head_of(task, job.dataset_spec, targets)
    outputs = torch.linspace(-4, 4, 12).view(4, 3)
    found = head.invert(head.compute(outputs))
    if task == "image-classification":
        outputs, found = outputs.log_softmax(1), found.log_softmax(1)
    torch.testing.assert_close(found, outputs, rtol=1e-4, atol=1e-4)
