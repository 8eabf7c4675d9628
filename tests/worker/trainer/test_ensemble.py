"""Networks that are trained together, and the final fit of an ensemble."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch

from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.weights import check
from core.layers import Conv2d, Dense, Dropout, Flatten, GlobalAvgPool2d, Input, Output, ReLU
from core.protocol.contracts.train_orders import Member
from core.protocol.states import TrialKind, TrialStatus
from core.search.ensembles import joined, joined_weights
from tests.worker.orders import CLASSES, NETWORK, arrays, order_for
from tests.worker.trainer.running import NO_CHANGE, run, stored_weights
from tests.worker.trainer.trainings import CNN, PLAIN, TASK, blobs, network_of, train_with
from worker.trainer.export import predict
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.evaluation import evaluate

FLAT = chain(
    iter([Input((2, 8, 8)), Flatten(), Dense(8), ReLU(), Dropout(0.2), Dense(3), Output()])
)
OTHER = chain(
    iter(
        [
            Input((1, 6, 4)),
            Conv2d(5),
            ReLU(),
            GlobalAvgPool2d(),
            Dense(4),
            ReLU(),
            Dense(3),
            Output(),
        ]
    )
)


def pair() -> list[Network]:
    return [network_of(CNN, 1), network_of(FLAT, 2)]


def assert_close(found, expected) -> None:
    assert found.keys() == expected.keys()
    for node_id, parameters in expected.items():
        for name, array in parameters.items():
            np.testing.assert_allclose(found[node_id][name], array, rtol=1e-4, atol=1e-6)


def test_an_ensemble_predicts_the_mean_and_is_one_network():
    networks, x = pair(), torch.randn(5, 2, 8, 8)
    ensemble = Ensemble(networks).eval()
    joint = Network(ensemble.architecture).eval()
    joint.read(ensemble.weights())
    expected = (networks[0](x) + networks[1](x)) / 2
    torch.testing.assert_close(ensemble(x), expected)
    torch.testing.assert_close(joint(x), expected)


@pytest.mark.parametrize("mixing", [0.0, 0.4])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "muon"])
def test_each_network_is_trained_as_if_it_were_alone(optimiser, mixing):
    """The same batches, dropout and mixing: the final weights depend on every gradient."""
    options = {"optimiser": optimiser, "mixing": mixing, "averaging": 0.2, "epochs": 2}
    data = blobs(48, (2, 8, 8), augmentation="shift-flip")
    ensemble, alone = Ensemble(pair()), pair()
    together = train_with(ensemble, data, None, **options)
    outcomes = [train_with(network, data, None, **options) for network in alone]
    for network, expected in zip(ensemble.networks, alone, strict=True):
        assert_close(network.weights(), expected.weights())
    losses = [[metrics.train_loss for metrics in one.history] for one in outcomes]
    found = [metrics.train_loss for metrics in together.history]
    assert found == pytest.approx(np.mean(losses, axis=0))


def test_the_epochs_of_an_ensemble_are_evaluated_by_the_mean_of_the_outputs():
    validation = blobs(30, (2, 8, 8), seed=1)
    ensemble = Ensemble(pair())
    outcome = train_with(ensemble, blobs(48, (2, 8, 8)), validation, epochs=1)
    joint = Network(ensemble.architecture)
    joint.read(ensemble.weights())
    found = evaluate(joint, validation, TASK, PLAIN)
    assert outcome.best.metric == found.metric
    assert outcome.best.loss == pytest.approx(found.loss, rel=1e-4)


# --- the final fit ----------------------------------------------------------------------------


@pytest.fixture
def trials(environment, storage):
    """Two trained networks, the winner first, and how their trainings ended."""
    found = []
    for architecture in (NETWORK, OTHER):
        order = order_for(storage, architecture=architecture, hyperparameters={"epochs": 8})
        ended, _ = run(order, environment)
        found.append((architecture, ended))
    return found


def final_order(storage, trials, data=None, **changes):
    (winner, ended), *_ = trials
    members = tuple(Member(architecture=a.to_json(), weights=e.weights) for a, e in trials)
    fields = {
        "architecture": joined([architecture for architecture, _ in trials]),
        "kind": TrialKind.FINAL,
        "parent_architecture": winner.to_json(),
        "parent_weights": ended.weights,
        "members": members,
        "history": {"members": [4, 2], "of_number": 4},
    }
    return order_for(storage, data, **fields | changes)


def exported(ended, storage, folder):
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(folder)
    return folder


def test_an_ensemble_begins_with_the_weights_of_all_its_networks(environment, storage, trials):
    ended, _ = run(final_order(storage, trials, hyperparameters=NO_CHANGE), environment)
    assert ended.status is TrialStatus.COMPLETED
    architectures = [architecture for architecture, _ in trials]
    own = [stored_weights(one, storage) for _, one in trials]
    assert_close(stored_weights(ended, storage), joined_weights(architectures, own))
    assert ended.parameters == sum(one.parameters for one in architectures)


def test_an_exported_ensemble_predicts_as_it_was_tested(environment, storage, trials, tmp_path):
    data = arrays()
    ended, _ = run(final_order(storage, trials, data, hyperparameters={"epochs": 6}), environment)
    assert ended.comparison.exported == "final"
    folder = exported(ended, storage, tmp_path / "export")
    model = predict.Model(folder)
    found = np.array([CLASSES.index(name) for name in model.predict(data.x_test)])
    assert (found == data.y_test).mean() == pytest.approx(ended.test.metric)
    architecture = Architecture.from_json(json.loads((folder / "model.json").read_text()))
    check(architecture, stored_weights(ended, storage))
    assert "This is an ensemble of trials 2 and 4" in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"optimiser": "sgd", "learning_rate": 1e30}, "the training has diverged"),
        ({"learning_rate": 0.6, "epochs": 12, "warmup": 0.9, "decay": 0.0}, "fell from"),
    ],
)
def test_where_an_ensemble_fails_or_is_worse_the_winner_is_exported_alone(
    environment, storage, tmp_path, hyperparameters, reason
):
    data, trials = arrays(train=900), []
    for architecture in (NETWORK, OTHER):
        order = order_for(storage, data, architecture, {"epochs": 8})
        trials.append((architecture, run(order, environment)[0]))
    order = final_order(storage, trials, data, hyperparameters=hyperparameters)
    ended, _ = run(order, environment)
    assert ended.status is TrialStatus.COMPLETED
    assert ended.comparison.exported == "winner"
    assert reason in ended.comparison.reason
    assert ended.weights == trials[0][1].weights
    assert ended.parameters == NETWORK.parameters
    assert ended.test.metric > 0.6
    folder = exported(ended, storage, tmp_path / "export")
    assert Architecture.from_json(json.loads((folder / "model.json").read_text())) == NETWORK
    card = (folder / "README.md").read_text("utf-8")
    assert "ensemble" not in card.split("## Layers")[0].replace(reason, "")
    assert "This is the architecture of trial 4" in card


def test_without_memory_for_all_networks_the_winner_is_exported(environment, storage, trials):
    order = final_order(storage, trials, hyperparameters={"epochs": 2})
    ended, _ = run(order, environment, at_step=lambda: torch.empty(2**58))
    assert ended.status is TrialStatus.COMPLETED
    assert ended.comparison.exported == "winner"
    assert "the final training failed: out of memory" in ended.comparison.reason
    assert ended.weights == trials[0][1].weights


def test_networks_that_are_not_those_of_the_order_are_refused(environment, storage, trials):
    order = final_order(storage, trials)
    other = order.model_copy(update={"members": order.members[:1] * 2})
    ended, _ = run(other, environment)
    assert (ended.status, ended.retry) == (TrialStatus.FAILED, False)
    assert "the order is for another one" in ended.reason


def test_an_order_can_demand_random_weights_for_every_network(environment, storage, trials):
    order = final_order(storage, trials, hyperparameters=NO_CHANGE, fresh=True)
    ended, _ = run(order, environment)
    assert ended.comparison.before > ended.comparison.after
    again, _ = run(order, environment)
    assert again.weights == ended.weights


def test_a_stopped_ensemble_keeps_its_joint_weights(environment, storage, trials):
    order = final_order(storage, trials, hyperparameters={"epochs": 50})
    ended, _ = run(order, environment, stop_after=2)
    assert (ended.status, ended.test, ended.export) == (TrialStatus.STOPPED, None, None)
    check(Architecture.from_json(order.architecture), stored_weights(ended, storage))


def test_the_memory_format_changes_no_test_of_an_ensemble(environment, storage, trials):
    order = final_order(storage, trials, hyperparameters=NO_CHANGE | {"channels_last": True})
    plain = final_order(storage, trials, hyperparameters=NO_CHANGE | {"channels_last": False})
    first, second = (run(one, environment)[0] for one in (order, plain))
    assert first.test.loss == pytest.approx(second.test.loss, rel=1e-4)
