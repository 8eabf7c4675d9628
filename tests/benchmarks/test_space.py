"""Every choice of the conditional space is a network; peers only choose, Netmorph trains."""

import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import nas_peers, space
from benchmarks.environments import Environment
from benchmarks.solo import Solo
from core.data import datasets
from core.layers import Conv1d, Conv2d
from core.protocol.contracts import Budget, DatasetSpec, Hyperparameters, SearchConfig
from core.protocol.states import SearchStatus, TrialKind
from tests.worker.orders import arrays

SHAPES = [(1, 8, 8), (3, 32, 32), (1, 24), (6, 427)]


def spec_of(shape: tuple[int, ...]) -> DatasetSpec:
    return DatasetSpec(
        input_shape=shape, classes=4, class_names=tuple("abcd"), train_examples=100,
        test_examples=10, dtype="float32",
    )  # fmt: skip


def drawn(choices: space.Space, rng: np.random.Generator) -> dict:
    """A random choice, as Optuna makes one: what does not exist is left out."""
    found: dict = {}
    for one in choices:
        if "only" in one and found.get(one["only"][0]) != one["only"][1]:
            continue
        if one["kind"] == "choice":
            found[one["name"]] = one["choices"][rng.integers(len(one["choices"]))]
        elif one["kind"] == "int":
            found[one["name"]] = int(rng.integers(one["low"], one["high"] + 1))
        else:
            found[one["name"]] = float(rng.uniform(one["low"], one["high"]))
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_every_choice_is_a_network_for_the_data(shape):
    spec, rng = spec_of(shape), np.random.default_rng(0)
    choices = space.space(spec)
    assert json.loads(json.dumps(choices)) == choices  # peers read it
    made = set()
    for _ in range(40):
        choice = drawn(choices, rng)
        assert ("units" in choice) == (choice["head"] == "flatten")
        architecture = space.architecture(choice, spec)
        assert architecture.input_shape == shape
        convolutions = [
            node.layer for node in architecture.nodes if isinstance(node.layer, Conv1d | Conv2d)
        ]
        assert len(convolutions) == choice["stages"] * choice["blocks"]
        made.add(architecture.fingerprint)
    assert len(made) > 30


def test_a_choice_changes_rate_and_batch_size_of_the_recipe():
    usual = Hyperparameters(epochs=3, learning_rate=0.01, batch_size=32, decay=0.5)
    chosen = space.hyperparameters({"rate": 2.0, "batch_size": 128}, usual)
    assert chosen == usual.model_copy(update={"learning_rate": 0.02, "batch_size": 128})


PEER = """
import json, sys
told = []
for line in sys.stdin:
    said = json.loads(line)
    if "tell" in said:
        told.append(said["error"])
        answer = {}
    else:
        width = 16 + 8 * len(told)
        answer = {"id": len(told), "choice": {
            "stages": 1, "blocks": 1, "width": width, "growth": 1.0, "kernel": 3,
            "residual": False, "head": "global", "dropout": 0.0, "rate": 1.0, "batch_size": 32}}
    print(json.dumps(answer | {"cpu": 0.25 * (1 + len(told))}), flush=True)
"""


@pytest.fixture
def _a_peer(tmp_path, monkeypatch):
    """A peer that chooses wider and wider networks, run by this interpreter."""
    shim = tmp_path / "peer.py"
    shim.write_text(PEER)
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(nas_peers, "ASKED_SHIM", shim)
    monkeypatch.setattr(nas_peers, "ENVIRONMENTS", {"optuna": Environment(folder, ())})
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def prepared(folder: Path) -> Solo:
    data = arrays()
    ticks = (tick / 4 for tick in count())
    return Solo(
        config=SearchConfig(budget=Budget(seconds=40), seed=1),
        spec=datasets.spec(data, flip=False),
        name="columns",
        arrays=data,
        folder=folder,
        clock=ticks.__next__,
    )


@pytest.mark.usefixtures("_a_peer")
def test_a_peer_chooses_and_the_best_choice_is_trained_to_the_end(tmp_path):
    found = nas_peers.by_asking("optuna", prepared(tmp_path / "blobs"))
    assert found.status is SearchStatus.COMPLETED
    searched, final = found.trials[:-1], found.trials[-1]
    assert len(searched) > 3
    widths = [trial.architecture.nodes[1].layer.filters for trial in searched]
    assert widths == [16 + 8 * number for number in range(len(searched))]
    assert final.kind is TrialKind.FINAL
    assert final.parent is None  # fresh weights
    best = max(searched, key=lambda trial: trial.value)
    assert final.architecture == best.architecture
    assert found.seconds <= 40


@pytest.mark.usefixtures("_a_peer")
def test_a_peer_that_dies_says_why(tmp_path):
    nas_peers.ASKED_SHIM.write_text("raise SystemExit('no space left')")
    with pytest.raises(nas_peers.PeerFailed, match="no space left"):
        nas_peers.by_asking("optuna", prepared(tmp_path / "blobs"))


def test_an_environment_is_ready_only_with_the_packages_that_it_names(tmp_path):
    environment = Environment(tmp_path, ("one==1",), alone=("two==2",))
    assert not environment.is_ready
    (tmp_path / ".ready").write_text("one==1\ntwo==2")
    assert environment.is_ready
    assert not replace(environment, packages=("one==1.1",)).is_ready
