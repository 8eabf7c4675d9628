"""`netmorph search`, from the first start to an exported network that predicts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from sklearn.datasets import load_digits

from core.graph.architecture import Architecture
from netmorph.client import Client
from netmorph.data_directory import DataDirectory
from netmorph.target import Target
from tests.running_service import ADMIN_KEY, RunningService

NETMORPH = (sys.executable, "-P", "-m", "netmorph")
SMALL = ("--max-parameters", "10000")  # networks that are trained in a second or two


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the account of the servers can enter."""
    made = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def found(folder: Path) -> dict:
    """The report of a short search on digits; its export is in folder / "net"."""
    digits, some = load_digits(), folder / "part.npz"
    np.savez(some, x=digits.images[:800].astype(np.uint8), y=digits.target[:800])
    command = [*NETMORPH, "search", "--dataset", some, "--trials", "3", "--json", *SMALL]
    folders = ["--data-dir", folder / "data", "--export", folder / "net"]
    ended = subprocess.run(
        [*command, *folders], capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def environment() -> dict[str, str]:
    """Our environment without the settings of a developer's shell."""
    return {k: v for k, v in os.environ.items() if not k.startswith("NETMORPH_")}


def processes_of(directory: Path) -> list[psutil.Process]:
    """Every process whose command or cache is in a data directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        text = " ".join(process.info["cmdline"] or ())
        text += (process.info["environ"] or {}).get("NETMORPH_CACHE_DIR", "")
        if str(directory) in text:
            found.append(process)
    return found


def test_a_search_ends_with_a_tested_network(found: dict) -> None:
    assert found["status"] == "completed"
    assert found["trials_completed"] >= 1  # those after the first may be stopped early
    assert found["trials_inherited"] == 2
    assert found["best_validation"] > 0.9
    assert found["test_accuracy"] > 0.9
    assert found["seconds"] > 0
    assert found["lineage"][0].startswith("trial 0: a root")
    assert len(found["lineage"]) == found["winner"] + 1 or found["winner"] == 2


def test_a_search_stops_what_it_started(found: dict, folder: Path) -> None:
    _, alive = psutil.wait_procs(processes_of(folder / "data"), timeout=10)
    assert alive == []
    assert not (folder / "data" / "service.json").exists()


def test_the_export_predicts_on_its_own(found: dict, folder: Path) -> None:
    """In a new process that imports nothing of Netmorph, from another folder."""
    digits = load_digits()
    np.save(folder / "images.npy", digits.images.astype(np.uint8))
    command = [sys.executable, "-I", Path(found["export"]) / "predict.py", folder / "images.npy"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert ended.returncode == 0, ended.stderr
    said = np.array(ended.stdout.split(), dtype=int)
    assert (said == digits.target).mean() > 0.9


def accept_interrupts() -> None:
    """React to Ctrl-C, which the background job of a shell, and every child of it, ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_search_can_be_resumed(folder: Path) -> None:
    """Ctrl-C pauses the search and stops the service; the next service can resume it."""
    digits = load_digits()
    np.savez(folder / "mine.npz", x=digits.images.astype(np.uint8), y=digits.target)
    data = ["--data-dir", str(folder / "data")]
    mine = ["--dataset", str(folder / "mine.npz"), "--trials", "500"]
    command = [*NETMORPH, "search", *mine, *SMALL, *data]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        preexec_fn=accept_interrupts,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "1 running" in line)
        family = processes_of(folder / "data")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(90) == 130
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert "paused; to continue it: netmorph resume" in rest
    target = Target(DataDirectory(folder / "data"))
    with target.on_demand(workers=0) as running, Client(running.url, running.key) as client:
        (paused,) = [search for search in client.searches() if search["status"] == "paused"]
        assert paused["dataset"]["name"] == "mine"
        assert client.resume(paused["id"])["status"] == "running"
        client.stop(paused["id"])


@pytest.mark.slow  # its parts are tested apart: tests/api/controller, tests/worker/trainer
def test_an_ensemble_is_exported_as_one_network(service: RunningService, folder: Path) -> None:
    digits = load_digits()
    some = folder / "some.npz"  # enough for what is claimed, and trained in a few seconds
    np.savez(some, x=digits.images[:240].astype(np.uint8), y=digits.target[:240])
    command = [*NETMORPH, "search", "--dataset", str(some), "--trials", "2"]
    command += ["--ensemble", "2", "--url", service.url, "--key", ADMIN_KEY]
    command += ["--export", str(folder / "pair"), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["comparison"]["exported"] == "final"
    assert found["ensemble"].startswith("an ensemble of trials 0 and 1: ")
    assert found["ensemble"].endswith(" ms for one example")
    *_, total, _ = json.loads((folder / "pair" / "model.json").read_text())["nodes"]
    assert (total["kind"], len(total["inputs"])) == ("add", 2)
    card = (folder / "pair" / "README.md").read_text()
    assert "This is an ensemble of trials 0 and 1" in card
    examples = folder / "pair.npy"
    np.save(examples, digits.images[:5])
    program = [sys.executable, "-P", folder / "pair" / "predict.py", examples]
    done = subprocess.run(program, capture_output=True, text=True, cwd=folder, check=False)
    assert len(done.stdout.split()) == 5, done.stderr


@pytest.mark.slow  # half a minute: a search, a file of eight bits, and a program of torch.export
def test_a_network_is_made_smaller_and_exported_in_each_form(
    service: RunningService, found: dict, folder: Path
) -> None:
    """The root is the export of the first search."""
    command = [*NETMORPH, "search", "--dataset", folder / "part.npz", "--trials", "5", "--int8"]
    command += ["--root", folder / "net", "--keep-accuracy", "--export", folder / "smaller"]
    to = ["--url", service.url, "--key", ADMIN_KEY, "--json"]
    ended = subprocess.run(
        [*command, *to], capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert "the accuracy of the root within noise" in report["kept"]
    root = json.loads((folder / "net" / "model.json").read_text())
    assert report["parameters"] <= Architecture.from_json(root).parameters + 2  # its preparation
    assert report["kept"][1:] in (folder / "smaller" / "README.md").read_text("utf-8")

    exporting = [*NETMORPH, "export", report["search_id"], "--to", folder / "smaller"]
    ended = subprocess.run(
        [*exporting, "--torch-program", *to],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    manifest = json.loads((folder / "smaller" / "manifest.json").read_text())
    assert set(manifest) == {"predict.py", "model.onnx", "model.int8.onnx", "model.pt2"}
    assert not [entry for entry in manifest.values() if "missing" in entry]
    assert all((folder / "smaller" / name).is_file() for name in manifest)


def test_the_same_seed_gives_the_same_search(service: RunningService) -> None:
    """The same architectures in the same order, and the same network at the end."""
    training = {"epochs": 2, "final_epochs": 2}
    body = {"dataset": "digits", "budget": {"trials": 4}, "seed": 11, "training": training}
    body["bounds"] = {"parameters": 10_000}
    lineages, metrics = [], []
    with Client(service.url, ADMIN_KEY) as client:
        for _ in range(2):
            search = client.create_search(body)
            while search["ended_at"] is None:
                search = client.changed_search(search)
            assert search["status"] == "completed"
            trials = list(client.trials(search["id"]))
            lineages.append([(t["fingerprint"], t["parent_number"], t["value"]) for t in trials])
            metrics.append(search["final"]["test_metric"])
    assert lineages[0] == lineages[1]
    assert metrics[0] == pytest.approx(metrics[1], abs=1.5 / 359)  # one image at most
