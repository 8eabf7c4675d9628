"""The trials of a real search as runs of TensorBoard and MLflow, read back."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from tensorboardX.proto.event_pb2 import Event

from netmorph.client import Client
from netmorph.tracking import to_mlflow, to_tensorboard
from tests.netmorph.conftest import _called
from tests.running_service import ADMIN_KEY, RunningService

CURVES = {"loss/train", "loss/validation", "validation/accuracy", "learning_rate"}


@pytest.fixture
def client(service: RunningService) -> Any:
    with Client(service.url, ADMIN_KEY) as client:
        yield client


@pytest.fixture
def half(service: RunningService) -> str:
    """A search that was paused after its first trial."""
    search_id = service.search(name="pets, tracked")
    service.wait_until(lambda: service.get(search_id)["trial_counts"].get("completed"))
    service.http.post(f"/v1/searches/{search_id}:pause").raise_for_status()
    return search_id


def points_of(run: Path) -> Counter[tuple[str, int]]:
    """How often each number stands in the event files of a run, by name and step."""
    found: Counter[tuple[str, int]] = Counter()
    for file in run.iterdir():
        rest = file.read_bytes()
        while rest:
            length = int.from_bytes(rest[:8], "little")
            event = Event.FromString(rest[12 : 12 + length])
            numbers = [one for one in event.summary.value if one.HasField("simple_value")]
            found.update((one.tag, event.step) for one in numbers)
            rest = rest[16 + length :]
    return found


def finish(service: RunningService, search_id: str) -> dict[str, Any]:
    service.http.post(f"/v1/searches/{search_id}:resume").raise_for_status()
    return service.wait_until_completed(search_id)


def test_tensorboard_gets_each_epoch_once_while_the_search_goes_on(
    service: RunningService, client: Client, half: str, tmp_path: Path
) -> None:
    first = to_tensorboard(client, half, tmp_path)
    assert first.points > 0
    finish(service, half)
    assert to_tensorboard(client, half, tmp_path).points > 0
    assert to_tensorboard(client, half, tmp_path).points == 0

    trials = [one for one in client.trials(half) if client.epochs(one["id"])]
    folder = tmp_path / f"pets-tracked-{half[:8]}"
    assert sorted(one.name for one in folder.iterdir()) == [
        f"trial-{one['number']:03}" for one in trials
    ]
    for trial in trials:
        found = points_of(folder / f"trial-{trial['number']:03}")
        assert set(found.values()) == {1}
        curves = {key for key in found if key[0] in CURVES}
        epochs = [one for one in client.epochs(trial["id"]) if one["attempt"] == trial["attempt"]]
        assert {step for _, step in curves} == {one["epoch"] for one in epochs}
        assert {name for name, _ in curves} == CURVES
        assert ("trial/latency_seconds", epochs[-1]["epoch"]) in found


def test_mlflow_gets_each_trial_once_while_the_search_goes_on(
    service: RunningService,
    client: Client,
    half: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes long to make
    store = f"file:{tmp_path}/mlruns"
    assert to_mlflow(client, half, store).points > 0
    search = finish(service, half)
    options = ("--url", service.url, "--key", ADMIN_KEY, "--json")
    again = [_called("track", half, "--mlflow", store, *options) for _ in range(2)]
    assert [one.returncode for one in again] == [0, 0], again
    counts = [json.loads(one.stdout)["mlflow"] for one in again]
    assert counts[0]["points"] > counts[1]["points"] == 0

    runs = MlflowClient(store)
    experiment = runs.get_experiment_by_name("pets, tracked")
    found = {one.info.run_name: one for one in runs.search_runs([experiment.experiment_id])}
    parent = found.pop("pets, tracked")
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test/accuracy"] == pytest.approx(search["final"]["test_metric"])
    trials = list(client.trials(half))
    assert counts[1]["trials"] == len(found) == len(trials)
    for trial in trials:
        (run,) = [
            one for one in found.values() if one.data.tags["netmorph.trial_id"] == trial["id"]
        ]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["netmorph.status"] == trial["status"]
        assert run.data.params["parameters"] == str(trial["parameters"])
        if trial["value"] is not None:
            assert run.data.metrics["accuracy"] == pytest.approx(trial["value"])
        losses = runs.get_metric_history(run.info.run_id, "loss/train")
        epochs = [one for one in client.epochs(trial["id"]) if one["attempt"] == trial["attempt"]]
        assert [(one.step, one.value) for one in losses] == [
            (one["epoch"], one["train_loss"]) for one in epochs
        ]
