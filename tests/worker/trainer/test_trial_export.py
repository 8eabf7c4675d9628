"""The export of a single trial: its network as the search has trained it, tested and described."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.proofs import proof
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.worker.orders import NETWORK, order_for
from tests.worker.orders import arrays as images
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from tests.worker.trainer.test_regression import arrays as numbers
from tests.worker.trainer.test_regression import order_of
from worker.messages import Ended
from worker.trainer.export import predict

SPLIT = {"split_seed": 3, "validation_fraction": 0.3}


def export_of(order: TrainOrder, ended: Ended, **changes: object) -> TrainOrder:
    """The order to export the network that another order has trained."""
    fields = {
        "kind": TrialKind.EXPORT,
        "number": 7,
        "parent_architecture": order.architecture,
        "parent_weights": ended.weights,
        "history": HISTORY | {"of_number": 7, "seconds_in_lineage": 1.0, "seconds_total": 4.0},
    }
    return order.model_copy(update=fields | changes)


def unpacked(ended: Ended, storage: Storage, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_the_program_of_an_export_predicts_what_the_trial_was_measured_by(
    task, environment, storage, tmp_path
) -> None:
    """Its value on the validation split, of which its scales know nothing."""
    data = images() if task == "classes" else numbers("NF", 2)
    make = order_for if task == "classes" else order_of
    score = accuracy_score if task == "classes" else r2_score
    order = make(storage, data, hyperparameters={"epochs": 8, **SPLIT})
    trained, _ = run(order, environment)
    ended, recorded = run(export_of(order, trained), environment)

    assert (ended.status, ended.reason) == (TrialStatus.COMPLETED, "")
    assert (ended.value, ended.epochs, ended.seconds, recorded.epochs) == (None, 0, 0.0, [])
    assert (ended.weights, ended.comparison) == (None, None)
    assert ended.export_proof == proof(order.token, storage.get(ended.export))
    folder = unpacked(ended, storage, tmp_path / "net")
    assert (folder / "weights.safetensors").read_bytes() == storage.get(trained.weights)
    model = predict.Model(folder)
    _, held = data.rule.validation(data.y_train, 0.3, 3)
    for x, y, expected in (
        (data.x_train[held], data.y_train[held], trained.value),
        (data.x_test, data.y_test, ended.test.metric),
    ):
        truth = [data.class_names[label] for label in y] if task == "classes" else y
        found = model.predict(x[:, 0] if task == "classes" else x)
        assert score(truth, found) == pytest.approx(expected, abs=1e-4)
    assert ended.test.examples == len(data.y_test)
    assert {"model.onnx", "manifest.json", "serve.py"} <= {path.name for path in folder.iterdir()}


def test_the_card_of_an_export_says_that_it_is_a_trial_without_a_final_fit(
    environment, storage, tmp_path
) -> None:
    order = order_for(storage)
    trained, _ = run(order, environment)
    ended, _ = run(export_of(order, trained), environment)
    folder = unpacked(ended, storage, tmp_path / "net")

    card = (folder / "README.md").read_text()
    assert "This is trial 7 as the search has trained it: on the training split alone, " in card
    assert "without a final fit. Its lineage:\n\n1. root\n1. widen layer 1" in card
    assert "| training examples | 90 less the validation split |" in card
    assert "(30 examples, looked at once for this export) |" in card
    assert "choose by the validation metric." in card
    assert " (it has steered the search: optimistic) |" in card
    assert "seconds of training" not in card
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["compute_in_winner"], metrics["validation"]) == (None, 0.8125)


def test_trials_before_and_after_an_export_train_on_the_same_examples(environment, storage) -> None:
    """The trainer keeps the data of its last order, in the form that the order needs."""
    order = order_for(storage)
    first, _ = run(order, environment)
    run(export_of(order, first), environment)
    again, _ = run(order, environment)

    assert (again.weights, again.value) == (first.weights, first.value)


def test_an_order_for_an_export_that_changes_the_network_is_refused(environment, storage) -> None:
    order = order_for(storage)
    trained, _ = run(order, environment)
    ended, _ = run(export_of(order, trained, parent_weights=None), environment)

    assert (ended.status, ended.retry) == (TrialStatus.FAILED, False)
    assert "expected its weights, and no changes" in ended.reason


def test_damaged_weights_of_an_export_are_reported_as_such(environment, storage) -> None:
    order = order_for(storage)
    trained, _ = run(order, environment)
    path = Path(storage.url.removeprefix("file://")) / trained.weights.key
    path.write_bytes(path.read_bytes()[:-3])
    ended, _ = run(export_of(order, trained), environment)

    assert (ended.status, ended.damaged) == (TrialStatus.FAILED, trained.weights)


def test_an_export_is_tested_by_the_weights_alone(environment, storage) -> None:
    """Another seed or more epochs change nothing: nothing is drawn, nothing is trained."""
    order = order_for(storage)
    trained, _ = run(order, environment)
    other = export_of(order, trained, seed=99, trial_id=order.search_id)
    first, again = (run(one, environment)[0] for one in (export_of(order, trained), other))

    assert (first.export, first.test) == (again.export, again.test)
    assert first.parameters == NETWORK.parameters
    assert np.isfinite(first.latency)
