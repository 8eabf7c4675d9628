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
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus, TrialKind
from tests.worker.orders import arrays

SHAPES = [(1, 8, 8), (3, 32, 32), (1, 24), (6, 427)]


def spec_of(shape: tuple[int, ...]) -> DatasetSpec:
    return DatasetSpec(
        input_shape=shape, classes=4, class_names=tuple("abcd"), train_examples=100,
        test_examples=10, dtype="float32",
    )  # fmt: skip


def random_choice(choices: space.Space, rng: np.random.Generator) -> dict:
    """A random choice like Optuna's: parameters whose condition is not met are left out."""
    found: dict = {}
    for parameter in choices:
        if "only" in parameter and found.get(parameter["only"][0]) != parameter["only"][1]:
            continue
        if parameter["kind"] == "choice":
            found[parameter["name"]] = parameter["choices"][rng.integers(len(parameter["choices"]))]
        elif parameter["kind"] == "int":
            found[parameter["name"]] = int(rng.integers(parameter["low"], parameter["high"] + 1))
        else:
            found[parameter["name"]] = float(rng.uniform(parameter["low"], parameter["high"]))
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_every_choice_is_a_network_for_the_data(shape):
    spec, rng = spec_of(shape), np.random.default_rng(0)
    choices = space.space(spec)
    assert json.loads(json.dumps(choices)) == choices  # peers read it
    made = set()
    for _ in range(40):
        choice = random_choice(choices, rng)
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
errors = []
for line in sys.stdin:
    request = json.loads(line)
    if "tell" in request:
        errors.append(request["error"])
        answer = {}
    else:
        width = 16 + 8 * len(errors)
        answer = {"id": len(errors), "choice": {
            "stages": 1, "blocks": 1, "width": width, "growth": 1.0, "kernel": 3,
            "residual": False, "head": "global", "dropout": 0.0, "rate": 1.0, "batch_size": 32}}
    print(json.dumps(answer | {"cpu": 0.25 * (1 + len(errors))}), flush=True)
"""


@pytest.fixture
def _a_peer(tmp_path, monkeypatch):
    """A peer that chooses ever wider networks, run by this interpreter."""
    shim = tmp_path / "peer.py"
    shim.write_text(PEER)
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(nas_peers, "SUGGESTING_SHIM", shim)
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
def test_a_peer_chooses_networks_and_the_best_one_is_trained_to_the_end(tmp_path):
    found = nas_peers.search_with_peer("optuna", prepared(tmp_path / "blobs"))
    assert found.status is SearchStatus.COMPLETED
    searched, final = found.trials[:-1], found.trials[-1]
    assert len(searched) > 3
    widths = [trial.architecture.nodes[1].layer.filters for trial in searched]
    assert widths == [16 + 8 * number for number in range(len(searched))]
    assert final.kind is TrialKind.FINAL
    assert final.parent is None  # new weights
    best = max(searched, key=lambda trial: trial.value)
    assert final.architecture == best.architecture
    assert found.seconds <= 40


@pytest.mark.usefixtures("_a_peer")
def test_the_error_of_a_peer_that_dies_contains_its_message(tmp_path):
    nas_peers.SUGGESTING_SHIM.write_text("raise SystemExit('no space left')")
    with pytest.raises(nas_peers.PeerFailed, match="no space left"):
        nas_peers.search_with_peer("optuna", prepared(tmp_path / "blobs"))


def test_an_environment_is_ready_only_with_the_packages_that_it_names(tmp_path):
    environment = Environment(tmp_path, ("parameter==1",), alone=("two==2",))
    assert not environment.is_ready
    (tmp_path / ".ready").write_text("parameter==1\ntwo==2")
    assert environment.is_ready
    assert not replace(environment, packages=("parameter==1.1",)).is_ready
