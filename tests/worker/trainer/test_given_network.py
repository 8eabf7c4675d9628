"""A trial of a given network starts from its weights, and never ends worse than it."""

import numpy as np

from core.data.datasets import Arrays
from core.data.splits import validation_split
from core.graph.building import chain
from core.graph.forward import forward
from core.graph.preparation import input_norm
from core.graph.weights import Weights, save
from core.layers import BatchNorm, Conv2d, Dense, Flatten, Input, MaxPool2d, Output, ReLU
from core.layers.batch_norm import EPSILON
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialStatus
from core.protocol.storage import Storage
from tests.worker.orders import arrays, order_for
from tests.worker.trainer.running import NO_CHANGE, run, stored_weights

NETWORK = chain(
    iter(
        [
            *(Input((1, 6, 4)), BatchNorm(), Conv2d(4), ReLU()),
            *(MaxPool2d(), Flatten(), Dense(3), Output()),
        ]
    )
)


def good_weights() -> Weights:
    """Weights for stored examples that see which of the first columns is bright."""
    rng = np.random.default_rng(0)
    weights: Weights = {}
    for node in NETWORK.nodes:
        if shapes := node.layer.parameter_shapes(NETWORK.input_shapes(node)):
            weights[node.id] = {
                name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()
            }
    one = np.ones(1, np.float32)
    norm = input_norm(NETWORK).id
    weights[norm] = {
        "weight": one, "bias": 0 * one, "running_mean": 70 * one, "running_var": 1600 * one
    }  # fmt: skip
    _fit_classifier(weights)
    return weights


def _fit_classifier(weights: Weights) -> None:
    """Fit the last layer to the training examples by least squares."""
    data, dense = arrays(), NETWORK.logits
    features = NETWORK.node(dense).inputs[0]
    units = NETWORK.shapes[features][0]
    values = []
    for unit in range(0, units, 3):
        selected = np.zeros((3, units), np.float32)
        for row, column in enumerate(range(unit, min(unit + 3, units))):
            selected[row, column] = 1
        weights[dense] = {"weight": selected, "bias": np.zeros(3, np.float32)}
        values.append(forward(NETWORK, weights, data.x_train.astype(float)))
    x = np.concatenate(values, axis=1)[:, :units]
    targets = np.eye(3)[data.y_train] - 1 / 3
    solution = np.linalg.lstsq(np.c_[x, np.ones(len(x))], targets, rcond=1e-3)[0]
    weights[dense] = {
        "weight": solution[:-1].T.astype(np.float32), "bias": solution[-1].astype(np.float32)
    }  # fmt: skip


def order(storage: Storage, weights: Weights, **hyperparameters: object) -> TrainOrder:
    return order_for(
        storage,
        architecture=NETWORK,
        hyperparameters=hyperparameters,
        parent_architecture=NETWORK.to_json(),
        parent_weights=storage.put("weights", save(weights), "safetensors"),
        raw_inputs=True,
    )


def accuracy_on_validation(weights: Weights) -> float:
    data = arrays()
    _, held_out = validation_split(data.y_train, 0.2, 0)
    outputs = forward(NETWORK, weights, data.x_train[held_out].astype(float))
    return float((outputs.argmax(1) == data.y_train[held_out]).mean())


def test_the_first_validation_has_what_the_network_has_learned(environment, storage):
    weights = good_weights()
    given = accuracy_on_validation(weights)
    assert given > 0.8  # a third by chance

    ended, recorded = run(order(storage, weights, **NO_CHANGE), environment)

    assert ended.status is TrialStatus.COMPLETED
    assert ended.value == given
    assert abs(recorded.epochs[0].validation_metric - given) < 0.12  # statistics of batches
    assert f"as given: accuracy {100 * given:.2f} %" in ended.reason


def test_a_network_that_predicts_numbers_starts_with_what_it_has_learned(environment, storage):
    """Its outputs are in the units of the data set, far from zero and of small scale."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (150, 4)).astype(np.float32)
    y = 1e3 + 1e-2 * (x @ [[1.0], [2.0], [-1.0], [0.5]] + rng.normal(size=(150, 1)))
    data = Arrays(x[:110], y[:110], x[110:], y[110:], (), layout="NF", target_names=("y",))
    network = chain(iter([Input((4,)), BatchNorm(), Dense(1), Output()]))
    norm = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1 - EPSILON}
    weights: Weights = {
        1: {name: np.full(4, value, np.float32) for name, value in norm.items()},
        2: {"weight": np.float32([[0.01, 0.02, -0.01, 0.005]]), "bias": np.float32([1e3])},
    }
    ordered = order_for(
        storage, data, network, NO_CHANGE, task="regression", raw_inputs=True,
        parent_architecture=network.to_json(),
        parent_weights=storage.put("weights", save(weights), "safetensors"),
    )  # fmt: skip

    ended, _ = run(ordered, environment)

    assert ended.status is TrialStatus.COMPLETED
    assert ended.value > 0.9  # R²; the noise is a 26th of the variance
    assert "as given: R² 0.9" in ended.reason


def test_training_that_makes_it_worse_is_not_kept(environment, storage):
    weights = good_weights()
    harmful = {"learning_rate": 3.0, "epochs": 2, "optimiser": "sgd"}

    ended, _ = run(order(storage, weights, **harmful), environment)

    assert ended.status is TrialStatus.COMPLETED
    assert ended.value == accuracy_on_validation(weights)
    assert "kept, as" in ended.reason
    kept = stored_weights(ended, storage)
    np.testing.assert_array_equal(kept[NETWORK.logits]["weight"], weights[6]["weight"])
    assert ended.best_epoch == 0


def test_training_that_improves_it_is_kept(environment, storage):
    weights = good_weights()
    weights[6] = {"weight": weights[6]["weight"] * 0.1, "bias": 0 * weights[6]["bias"] + 0.3}
    rolled = weights | {6: weights[6] | {"weight": np.roll(weights[6]["weight"], 1, axis=0)}}

    ended, recorded = run(order(storage, rolled, epochs=8), environment)

    assert ended.value == max(epoch.validation_metric for epoch in recorded.epochs)
    assert ended.value > accuracy_on_validation(rolled)
    assert "kept" not in ended.reason
