"""Trials that were begun again, files that were cut off, and packages that are not there.

`tests/e2e/test_tracking.py` writes the trials of a real search.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow.tracking import MlflowClient
from tensorboardX.proto.event_pb2 import Event

from netmorph.client import Client
from netmorph.errors import ClientError
from netmorph.tracking import to_mlflow, to_tensorboard
from tests.netmorph.samples import ROOT, SEARCH, SEARCH_ID

LEARNED = ROOT | {
    "status": "running", "value": None, "value_std": None, "validation_loss": None, "seconds": None,
    "measures": {}, "latency": None, "started_at": "2026-05-06T07:08:09Z", "ended_at": None,
    "layers": 5, "flops": 9000, "choices": {}, "changes": "", "remark": "", "worker": "gpu",
    "precision": None, "fingerprint": "f0",
}  # fmt: skip
ENDED = LEARNED | {"status": "completed", "value": 0.9, "ended_at": "2026-05-06T07:09:09Z"}
CALLED = SEARCH | {
    "name": "a|search", "started_at": LEARNED["started_at"], "ended_at": None, "cost": None,
    "training": {}, "bounds": {}, "tags": ["mine"], "note": "",
}  # fmt: skip
RUN = f"a-search-{SEARCH_ID[:8]}/trial-000"


def epochs(attempt: int, *losses: float | None) -> list[dict[str, Any]]:
    """The epochs of an attempt, of which only the loss in training is known."""
    unknown = ("validation_loss", "validation_metric", "learning_rate")
    return [
        {"trial_id": "t0", "attempt": attempt, "epoch": number, "train_loss": loss,
         "seconds": float(number), **dict.fromkeys(unknown)}
        for number, loss in enumerate(losses, 1)
    ]  # fmt: skip


def answering(trial: dict[str, Any], rows: list[dict[str, Any]], **search: Any) -> Client:
    """A client whose service has a search with this trial."""

    def answer(request: httpx.Request) -> httpx.Response:
        lists = {"trials": [trial], "epochs": rows}
        items = lists.get(request.url.path.rsplit("/", 1)[-1])
        found = CALLED | search if items is None else {"items": items, "next_cursor": None}
        return httpx.Response(200, json=found)

    return Client("http://127.0.0.1:1", "netmorph_x", transport=httpx.MockTransport(answer))


def events_of(run: Path) -> list[Event]:
    """The whole events of a run, in the order in which TensorBoard reads its files."""
    found = []
    for file in sorted(run.iterdir()):
        rest = file.read_bytes()
        while len(rest) >= 16 + (length := int.from_bytes(rest[:8], "little")):
            found.append(Event.FromString(rest[12 : 12 + length]))
            rest = rest[16 + length :]
    return found


def shown_by_tensorboard(run: Path) -> dict[int, float]:
    """The loss by epoch; a session that starts at a step discards what was there from it on."""
    curve: dict[int, float] = {}
    for event in events_of(run):
        if event.HasField("session_log"):
            curve = {step: loss for step, loss in curve.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == "loss/train":
                assert event.step not in curve, "a point stands there twice"
                curve[event.step] = value.simple_value
    return curve


def test_epochs_that_are_trained_again_replace_those_of_the_attempt_before(tmp_path: Path) -> None:
    first = epochs(1, 3.0, 2.0, 1.75, 1.5)
    assert to_tensorboard(answering(LEARNED, first), SEARCH_ID, tmp_path).points == 4
    again = [*first, *epochs(2, 3.0, 2.0, 1.25)]
    client = answering(LEARNED | {"attempt": 2}, again)
    assert to_tensorboard(client, SEARCH_ID, tmp_path).points == 1
    assert to_tensorboard(client, SEARCH_ID, tmp_path).points == 0
    assert shown_by_tensorboard(tmp_path / RUN) == {1: 3.0, 2: 2.0, 3: 1.25}


def test_mlflow_keeps_the_epochs_of_the_attempt_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = f"file:{tmp_path}/mlruns"
    first = epochs(1, 3.0, 2.0, 1.75)
    to_mlflow(answering(LEARNED, first), SEARCH_ID, store)
    again = [*first, *epochs(2, 3.0, 2.0, 1.5, 1.25)]
    to_mlflow(answering(LEARNED | {"attempt": 2}, again), SEARCH_ID, store)
    runs = MlflowClient(store)
    (experiment,) = [one for one in runs.search_experiments() if one.name == "a|search"]
    (run,) = runs.search_runs([experiment.experiment_id], "attributes.run_name = 'trial 0'")
    history = runs.get_metric_history(run.info.run_id, "loss/train")
    assert [(one.step, one.value) for one in history] == [(1, 3.0), (2, 2.0), (3, 1.75), (4, 1.25)]


def test_a_search_that_is_extended_runs_again_in_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store, rows = f"file:{tmp_path}/mlruns", epochs(1, 3.0)
    runs, found = MlflowClient(store), []
    ended = {"status": "stopped", "ended_at": ENDED["ended_at"]}
    for search in (ended, {}, ended):
        to_mlflow(answering(ENDED, rows, **search), SEARCH_ID, store)
        (experiment,) = [one for one in runs.search_experiments() if one.name == "a|search"]
        listed = runs.search_runs([experiment.experiment_id])
        found.append({one.info.run_name: one.info.status for one in listed})
    assert [one["a|search"] for one in found] == ["KILLED", "RUNNING", "KILLED"]
    assert [one["trial 0"] for one in found] == ["FINISHED"] * 3


def test_numbers_that_were_cut_off_are_written_again(tmp_path: Path) -> None:
    client = answering(LEARNED, epochs(1, 3.0, 2.0))
    to_tensorboard(client, SEARCH_ID, tmp_path)
    (file,) = (tmp_path / RUN).iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: content.rfind(b"loss/train")])
    assert to_tensorboard(client, SEARCH_ID, tmp_path).points == 1
    assert shown_by_tensorboard(tmp_path / RUN) == {1: 3.0, 2: 2.0}


def test_a_trial_that_has_ended_gets_its_results_and_a_number_too_large_for_an_event(
    tmp_path: Path,
) -> None:
    rows = epochs(1, 1e300, None)
    to_tensorboard(answering(LEARNED, rows), SEARCH_ID, tmp_path)
    client = answering(ENDED, rows)
    assert [to_tensorboard(client, SEARCH_ID, tmp_path).points for _ in range(2)] == [0, 0]
    assert shown_by_tensorboard(tmp_path / RUN) == {1: float("inf")}
    tags = [value.tag for event in events_of(tmp_path / RUN) for value in event.summary.value]
    assert tags.count("_hparams_/session_start_info") == tags.count("trial/accuracy") == 1
    texts = [
        value.tensor.string_val[0].decode()
        for event in events_of(tmp_path / RUN)
        for value in event.summary.value
        if value.tag == "trial/text_summary"
    ]
    assert ["| status | running |" in texts[0], "| status | completed |" in texts[1]] == [True] * 2
    assert texts[1].startswith("| trial 0 | a/search |\n")


def test_a_trial_without_epochs_has_no_run_in_tensorboard(tmp_path: Path) -> None:
    found = to_tensorboard(answering(LEARNED, []), SEARCH_ID, tmp_path)
    assert (found.trials, list(tmp_path.iterdir())) == (0, [])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ClientError, match=f"{file}/a-search-.* cannot be written: "):
        to_tensorboard(answering(LEARNED, epochs(1, 3.0)), SEARCH_ID, file)


@pytest.mark.parametrize(
    ("write", "package", "extra"),
    [(to_tensorboard, "tensorboardX", "tensorboard"), (to_mlflow, "mlflow", "mlflow")],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    write: Callable[..., Any], package: str, extra: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ClientError) as refused:
        write(answering(LEARNED, []), SEARCH_ID, tmp_path)
    assert f"the package {package}," in str(refused.value)
    assert f"pip install 'netmorph[{extra}]'" in str(refused.value)


def test_what_mlflow_refuses_is_an_error_of_ours(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(ClientError, match="MLflow refused: The filesystem tracking backend"):
        to_mlflow(answering(LEARNED, []), SEARCH_ID, f"file:{tmp_path}")
