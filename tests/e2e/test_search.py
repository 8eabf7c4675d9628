"""`netmorph search`, from nothing to a network that predicts on its own."""

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

from netmorph.client import Client
from netmorph.directory import DataDirectory
from netmorph.service import Target

pytestmark = pytest.mark.xdist_group("machine")

NETMORPH = (sys.executable, "-P", "-m", "netmorph")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the servers' account can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def found(place: Path) -> dict:
    """What a short search of the digits said at its end; its export is in place / "net"."""
    command = [*NETMORPH, "search", "--dataset", "digits", "--trials", "3", "--json"]
    folders = ["--data-dir", place / "data", "--export", place / "net"]
    ended = subprocess.run(
        [*command, *folders], capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def environment() -> dict[str, str]:
    """Ours, without settings of a developer's shell."""
    return {k: v for k, v in os.environ.items() if not k.startswith("NETMORPH_")}


def at_work_for(directory: Path) -> list[psutil.Process]:
    """Every process that has to do with a data directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        told = " ".join(process.info["cmdline"] or ())
        told += (process.info["environ"] or {}).get("NETMORPH_CACHE_DIR", "")
        if str(directory) in told:
            found.append(process)
    return found


def test_a_search_ends_with_a_tested_network(found: dict) -> None:
    assert found["status"] == "completed"
    assert found["trials_completed"] in {2, 3}  # the last may be stopped early
    assert found["trials_inherited"] == 2
    assert found["best_validation"] > 0.9
    assert found["test_accuracy"] > 0.9
    assert found["seconds"] > 0
    assert found["lineage"][0].startswith("trial 0: a starting architecture")
    assert len(found["lineage"]) == found["winner"] + 1 or found["winner"] == 2


def test_a_search_stops_what_it_started(found: dict, place: Path) -> None:
    _, alive = psutil.wait_procs(at_work_for(place / "data"), timeout=10)
    assert alive == []
    assert not (place / "data" / "service.json").exists()


def test_the_export_predicts_on_its_own(found: dict, place: Path) -> None:
    """In a new process that imports nothing of ours, from another folder."""
    digits = load_digits()
    np.save(place / "images.npy", digits.images.astype(np.uint8))
    command = [sys.executable, "-I", Path(found["export"]) / "predict.py", place / "images.npy"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
    assert ended.returncode == 0, ended.stderr
    said = np.array(ended.stdout.split(), dtype=int)
    assert (said == digits.target).mean() > 0.9


def hears_interrupts() -> None:
    """A shell's background job ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_ensemble_is_exported_as_one_network(place: Path) -> None:
    command = [*NETMORPH, "search", "--dataset", "digits", "--trials", "2", "--ensemble", "2"]
    folders = ["--data-dir", place / "data", "--export", place / "pair", "--json"]
    ended = subprocess.run(
        [*command, *folders], capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["comparison"]["exported"] == "final"
    assert found["ensemble"].startswith("an ensemble of trials 0 and 1: ")
    assert found["ensemble"].endswith(" ms for one example")
    *_, total, _ = json.loads((place / "pair" / "model.json").read_text())["nodes"]
    assert (total["kind"], len(total["inputs"])) == ("add", 2)
    card = (place / "pair" / "README.md").read_text()
    assert "This is an ensemble of trials 0 and 1" in card
    examples = place / "pair.npy"
    np.save(examples, load_digits().images[:5])
    program = [sys.executable, "-P", place / "pair" / "predict.py", examples]
    done = subprocess.run(program, capture_output=True, text=True, cwd=place, check=False)
    assert len(done.stdout.split()) == 5, done.stderr


def test_an_interrupted_search_can_be_resumed(place: Path) -> None:
    """Ctrl-C pauses it and stops the service; a running service takes it up again."""
    digits = load_digits()
    np.savez(place / "mine.npz", x=digits.images.astype(np.uint8), y=digits.target)
    data = ["--data-dir", str(place / "data")]
    command = [*NETMORPH, "search", "--dataset", str(place / "mine.npz"), "--trials", "500", *data]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=hears_interrupts,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "1 running" in line)
        family = at_work_for(place / "data")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(90) == 130
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert "paused; with the service up: netmorph resume" in rest
    target = Target(DataDirectory(place / "data"))
    with target.on_demand(workers=0) as running, Client(running.url, running.key) as client:
        (paused,) = [search for search in client.searches() if search["status"] == "paused"]
        assert paused["dataset"]["name"] == "mine"
        assert client.resume(paused["id"])["status"] == "running"
        client.stop(paused["id"])


def test_the_same_seed_gives_the_same_search(place: Path) -> None:
    """The same architectures in the same order, and the same network at the end."""
    training = {"epochs": 2, "final_epochs": 2}
    body = {"dataset": "digits", "budget": {"trials": 4}, "seed": 11, "training": training}
    lineages, metrics = [], []
    target = Target(DataDirectory(place / "data"))
    with target.on_demand(workers=1) as running, Client(running.url, running.key) as client:
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
