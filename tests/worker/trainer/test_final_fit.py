"""The final fit starts from the winner's weights and never exports anything clearly worse."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import torch

from core.data.splits import final_split, validation_split
from core.graph.weights import check
from core.protocol.states import TrialKind, TrialStatus
from tests.worker.orders import NETWORK, arrays, order_for
from tests.worker.trainer.running import NO_CHANGE, run, stored_weights
from worker.trainer.data.examples import Normalisation
from worker.trainer.final_fit import compare
from worker.trainer.training.evaluation import Evaluation

TASK = "image-classification"


def final_order(storage, winner, data=None, **changes):
    fields = {
        "kind": TrialKind.FINAL,
        "parent_architecture": NETWORK.to_json(),
        "parent_weights": winner.weights,
    }
    return order_for(storage, data, **fields | changes)


@pytest.fixture
def winner(environment, storage):
    return run(order_for(storage, hyperparameters={"epochs": 8}), environment)[0]


def test_a_final_fit_begins_with_the_winners_weights(environment, storage, winner):
    ended, _ = run(final_order(storage, winner, hyperparameters=NO_CHANGE), environment)
    assert ended.status is TrialStatus.COMPLETED
    assert ended.weights == winner.weights
    assert ended.comparison.before == ended.comparison.after
    assert ended.comparison.exported == "final"


def test_a_final_fit_trains_on_most_of_the_validation_split_and_is_compared_on_the_rest(
    environment, storage, winner
):
    data = arrays()
    _, held = validation_split(data.y_train, 0.2, 0)
    training, compared = final_split(data.y_train, held, 0.25, 0)
    assert set(compared) < set(held)
    assert {*training, *compared} == set(range(90))
    ended, recorded = run(
        final_order(storage, winner, data, hyperparameters=NO_CHANGE), environment
    )
    assert ended.comparison.examples == len(compared)
    assert recorded.steps[-1] == len(training) // 16
    bright = data.x_train.copy()
    bright[compared] = 255
    changed = dataclasses.replace(data, x_train=bright)
    other, other_recorded = run(
        final_order(storage, winner, changed, hyperparameters=NO_CHANGE), environment
    )
    assert other_recorded.epochs[-1].train_loss == recorded.epochs[-1].train_loss
    assert other.comparison != ended.comparison


def test_a_final_fit_has_no_value_and_its_epochs_are_measured_on_its_held_out_examples(
    environment, storage, winner
):
    ended, recorded = run(final_order(storage, winner, hyperparameters={"epochs": 4}), environment)
    assert (ended.value, ended.value_std) == (None, None)
    assert recorded.epochs[-1].validation_metric == ended.comparison.after
    assert (ended.epochs, ended.best_epoch) == (4, 4)


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"optimiser": "sgd", "learning_rate": 1e30}, "the training has diverged"),
        ({"learning_rate": 0.6, "epochs": 12, "warmup": 0.9, "decay": 0.0}, "fell from"),
    ],
)
def test_where_a_final_fit_fails_or_collapses_the_winners_own_weights_are_exported(
    environment, storage, hyperparameters, reason
):
    data = arrays(train=900)
    better, _ = run(order_for(storage, data, hyperparameters={"epochs": 8}), environment)
    order = final_order(storage, better, data, hyperparameters=hyperparameters)
    ended, _ = run(order, environment)
    assert ended.status is TrialStatus.COMPLETED
    assert ended.comparison.exported == "winner"
    assert reason in ended.comparison.reason
    assert ended.weights == better.weights
    assert ended.test.metric > 0.6
    assert ended.export is not None


def test_a_final_fit_from_random_weights_is_compared_with_the_winner(environment, storage, winner):
    ended, _ = run(final_order(storage, winner, hyperparameters=NO_CHANGE, fresh=True), environment)
    assert ended.comparison.before > ended.comparison.after
    assert ended.comparison.exported in {"final", "winner"}
    check(NETWORK, stored_weights(ended, storage))


def test_a_stopped_final_fit_with_a_winner_is_neither_tested_nor_exported(
    environment, storage, winner
):
    order = final_order(storage, winner, hyperparameters={"epochs": 50})
    ended, _ = run(order, environment, stop_after=2)
    assert ended.status is TrialStatus.STOPPED
    assert (ended.test, ended.export) == (None, None)


# --- comparison of final network and winner ---------------------------------------------------


def measured(metric: float, examples: int = 400) -> Evaluation:
    right = torch.arange(examples) < round(metric * examples)
    outputs = torch.stack([right, ~right], dim=1).float()
    targets = torch.zeros(examples, dtype=torch.int64)
    return Evaluation(metric, 0.5, examples, outputs=outputs, targets=targets)


@pytest.mark.parametrize("after", [0.95, 0.90, 0.87])
def test_the_final_network_is_exported_unless_it_is_worse_beyond_noise(after):
    compared = compare(TASK, measured(0.90), measured(after), "")
    assert (compared.exported, compared.reason) == ("final", "")
    assert (compared.before, compared.after, compared.examples) == (0.90, after, 400)


def test_a_collapse_exports_the_winner_and_says_why():
    compared = compare(TASK, measured(0.90), measured(0.11), "")
    assert compared.exported == "winner"
    assert "accuracy fell from 90.00 % to 11.00 % on 400 held-out examples" in compared.reason


def test_few_examples_hide_a_difference_that_many_show():
    assert compare(TASK, measured(0.9, 20), measured(0.8, 20), "").exported == "final"
    assert compare(TASK, measured(0.9, 4000), measured(0.8, 4000), "").exported == "winner"


def test_a_final_training_that_failed_exports_the_winner():
    compared = compare(TASK, measured(0.90), None, "the loss is nan")
    assert (compared.exported, compared.after) == ("winner", None)
    assert compared.reason == "the final training failed: the loss is nan"


# --- trials that end before their time --------------------------------------------------------


def test_a_child_that_is_behind_at_its_rung_is_stopped_there(environment, storage, winner):
    early = {"epochs": 9, "rung": 1 / 3, "least_at_rung": 1.01}
    ended, recorded = run(order_for(storage, hyperparameters=early), environment)
    assert (ended.status, ended.epochs) == (TrialStatus.STOPPED, 3)
    assert ended.value_at_rung == recorded.epochs[2].validation_metric
    assert ended.reason.startswith("stopped early: accuracy ")
    assert "after 33 % of its training, where 101.00 % was needed" in ended.reason
    check(NETWORK, stored_weights(ended, storage))


def test_a_trial_that_is_not_behind_at_its_rung_is_trained_to_its_end(environment, storage):
    enough = {"epochs": 9, "rung": 1 / 3, "least_at_rung": 0.0}
    ended, recorded = run(order_for(storage, hyperparameters=enough), environment)
    assert (ended.status, ended.epochs, ended.reason) == (TrialStatus.COMPLETED, 9, "")
    assert ended.value_at_rung == recorded.epochs[2].validation_metric


def test_a_training_that_learns_nothing_is_infeasible(environment, storage):
    data = arrays(train=900)
    blind = np.random.default_rng(0).integers(0, 256, data.x_train.shape).astype(np.uint8)
    noise = dataclasses.replace(data, x_train=blind)
    order = order_for(
        storage, noise, hyperparameters={"epochs": 20, "learning_rate": 1e-9, "batch_size": 16}
    )
    ended, _ = run(order, environment)
    assert ended.status is TrialStatus.INFEASIBLE
    assert "the training does not learn" in ended.reason


def test_a_final_fit_normalises_as_the_winner_was_trained(environment, storage, winner):
    """The export's statistics are those of the search's training split."""
    data = arrays()
    ended, _ = run(final_order(storage, winner, data, hyperparameters=NO_CHANGE), environment)
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        preprocess = json.loads(archive.read("preprocess.json"))
    chosen, _ = validation_split(data.y_train, 0.2, 0)
    expected = Normalisation.of(data.x_train[chosen])
    assert (preprocess["mean"], preprocess["std"]) == ([*expected.mean], [*expected.std])


def test_a_value_that_is_just_good_enough_is_not_stopped_by_rounding(environment, storage):
    plain = {"epochs": 9, "rung": 1 / 3}
    reached = run(order_for(storage, hyperparameters=plain), environment)[0].value_at_rung
    required = plain | {"least_at_rung": reached + 1e-12}
    ended, _ = run(order_for(storage, hyperparameters=required), environment)
    assert (ended.status, ended.epochs) == (TrialStatus.COMPLETED, 9)
