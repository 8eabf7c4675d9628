"""Exports of single trials by a real worker, which is killed meanwhile, and by the command line."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data import datasets
from netmorph.client import Client
from tests.running_service import ADMIN_KEY, RunningService

SPLIT = (0.2, 0)  # the share of the validation examples, and the seed of the split


def validation_accuracy(service: RunningService, folder: Path) -> float:
    """What the program in an export reaches on the validation split of digits."""
    ((key,),) = service.rows("SELECT blob_key FROM datasets WHERE name = 'digits'")
    arrays = datasets.decode(service.storage / key)
    _, held = arrays.rule.validation(arrays.y_train, *SPLIT)
    found = imported(folder / "predict.py").Model(folder).predict(arrays.x_train[held][:, 0])
    expected = [arrays.class_names[label] for label in arrays.y_train[held]]
    return float(np.mean([one == other for one, other in zip(found, expected, strict=True)]))


def imported(program: Path) -> Any:
    """A program in an export as a module."""
    spec = importlib.util.spec_from_file_location("program", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leased_export(service: RunningService) -> list[tuple[str]]:
    return service.rows(
        "SELECT trials.id FROM trials JOIN leases ON trial_id = trials.id WHERE kind = 'export'"
    )


@pytest.fixture
def completed(service: RunningService) -> dict:
    return service.wait_until_completed(service.search())


def test_a_trial_that_did_not_win_is_exported_although_its_worker_is_killed(
    service: RunningService, completed: dict, tmp_path: Path
) -> None:
    before = completed | {"version": 0, "now": ""}
    trials = service.http.get(f"/v1/searches/{completed['id']}/trials").json()["items"]
    (trial, *_) = [
        one for one in trials
        if one["kind"] == "search" and one["value"] is not None
        and one["number"] != completed["final"]["of_number"]
    ]  # fmt: skip
    with Client(service.url, ADMIN_KEY) as client:
        ordered = client.order_export(trial["id"])
        service.wait_until(lambda: leased_export(service), 60, 0.01)
        service.kill_training(service.worker)
        assert client.trial_export(trial["id"])["status"] in {"running", "waiting"}
        service.start_worker()
        made = client.export(completed["id"], trial=trial["number"])
        client.download_export(completed["id"], tmp_path / "net.zip", trial=trial["number"])

    assert (made["number"], made["status"]) == (trial["number"], "completed")
    assert made["attempt"] == ordered["attempt"] + 1
    folder = tmp_path / "net"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", tmp_path / "net.zip", folder], check=True
    )
    assert validation_accuracy(service, folder) == pytest.approx(trial["value"], abs=1e-6)
    assert f"This is trial {trial['number']} as the search" in (folder / "README.md").read_text()
    assert service.get(completed["id"]) | {"version": 0, "now": ""} == before
    service.audit_at_rest()


def test_the_command_line_exports_a_front_while_the_search_is_paused(
    service: RunningService, tmp_path: Path
) -> None:
    search_id = service.search(budget={"trials": 40}, cost="parameters")
    service.wait_for_trial(search_id, 3)
    service.http.post(f"/v1/searches/{search_id}:pause").raise_for_status()
    service.wait_until(lambda: service.rows("SELECT trial_id FROM leases") == [])
    front = service.http.get(f"/v1/searches/{search_id}/front").json()["items"]
    target = ["--url", service.url, "--key", ADMIN_KEY]
    command = [sys.executable, "-P", "-m", "netmorph", "export", search_id, "--front", "--json"]
    ended = subprocess.run(
        [*command, "--to", tmp_path / "front", *target], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    assert [one["trial"] for one in made["exports"]] == [point["number"] for point in front]
    for point in front:
        folder = tmp_path / "front" / f"trial-{point['number']}"
        assert validation_accuracy(service, folder) == pytest.approx(point["value"], abs=1e-6)
        assert f"trial {point['number']}: its export is " in ended.stderr
    assert service.status(search_id) == "paused"
    service.http.post(f"/v1/searches/{search_id}:stop").raise_for_status()
    service.audit_at_rest()
