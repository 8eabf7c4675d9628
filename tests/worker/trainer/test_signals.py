"""Signals, (channels, length), from the order to the export."""

import io
import zipfile

import numpy as np
import pytest

from core.data.datasets import Arrays
from core.graph.roots import all_roots, roots
from core.graph.weights import check, load
from core.morphisms import MORPHISMS, to_json
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import TrialKind, TrialStatus
from core.search.defaults import (
    default_bounds,
)
from core.search.trial_training import (
    final_hyperparameters,
    trial_hyperparameters,
)
from tests.worker.orders import described, order_for
from tests.worker.trainer.running import NO_CHANGE, run
from worker.trainer.export import predict


def arrays(train: int = 120, test: int = 60) -> Arrays:
    """Two channels of noise; one of them has a wave, whose frequency depends on the class."""
    rng = np.random.default_rng(0)
    y = np.arange(train + test) % 3
    x = rng.normal(scale=0.3, size=(train + test, 2, 24)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, size=(len(y), 1))
    waves = np.sin(phases + np.arange(24) * np.array([0.4, 1.0, 2.0])[y][:, None])
    x[np.arange(len(y)), rng.integers(2, size=len(y))] += waves
    return Arrays(x[:train], y[:train], x[train:], y[train:], ("slow", "middling", "fast"))


DATA = arrays()
SPEC = described(DATA)
ROOT = roots(SPEC, Bounds())[0]


def test_signals_are_trained_as_they_are():
    config = SearchConfig(budget=Budget(trials=3))
    for hyperparameters in (
        trial_hyperparameters(config, SPEC, elapsed=0.0, inherited=False),
        final_hyperparameters(config, SPEC, elapsed=0.0),
    ):
        assert isinstance(hyperparameters, Hyperparameters)
        assert hyperparameters.augmentation == "none"
        assert not hyperparameters.channels_last
    assert default_bounds(SPEC, Budget(trials=3)).flops > ROOT.flops


@pytest.mark.parametrize("kind", sorted(all_roots(SPEC, Bounds())))
def test_every_root_learns_to_classify_signals(kind, storage, environment):
    root = all_roots(SPEC, Bounds())[kind]
    hyperparameters = {"epochs": 6, "learning_rate": 0.003}
    ended, _ = run(order_for(storage, DATA, root, hyperparameters), environment)
    assert ended.status is TrialStatus.COMPLETED
    assert ended.value > 0.45  # a third by chance


def test_a_child_with_squeeze_and_excitation_starts_from_its_parent(storage, environment):
    parent, _ = run(order_for(storage, DATA, ROOT, {"epochs": 4}), environment)
    morphism = next(iter(MORPHISMS["squeeze_excite"].candidates(ROOT, Bounds())))
    child = morphism.apply(ROOT)
    changes = {
        "parent_weights": parent.weights,
        "parent_architecture": ROOT.to_json(),
        "morphisms": (to_json(morphism),),
    }
    ended, _ = run(order_for(storage, DATA, child, NO_CHANGE, **changes), environment)
    again = order_for(storage, DATA, ROOT, NO_CHANGE, parent_weights=parent.weights)
    assert ended.value == run(again, environment)[0].value
    check(child, load(storage.get(ended.weights)))


def test_an_exported_network_predicts_signals(storage, environment, tmp_path):
    hyperparameters = {"epochs": 10, "learning_rate": 0.01}
    order = order_for(storage, DATA, ROOT, hyperparameters, kind=TrialKind.FINAL)
    ended, _ = run(order, environment)
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(tmp_path / "export")
    model = predict.Model(tmp_path / "export")
    predicted = np.array([DATA.class_names.index(name) for name in model.predict(DATA.x_test)])
    assert (predicted == DATA.y_test).mean() == pytest.approx(ended.test.metric)
    assert ended.test.metric > 0.6
    with pytest.raises(predict.InputError, match=r"expected \(N, 2, 24\)"):
        model.predict(DATA.x_test[:, 0])
