"""Orders that are run: the results of valid ones, and the errors of the others."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.splits import validation_split
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.weights import check, save
from core.layers import BatchNorm, Conv2d, Dense, Flatten, Input, Output, ReLU
from core.morphisms import MORPHISMS, to_json, transfer_all
from core.protocol.contracts.blobs import BlobRef
from core.protocol.proofs import proof
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.strategies import SMALL
from tests.worker.orders import NETWORK, arrays, order_for
from tests.worker.trainer.running import NO_CHANGE, run, stored_weights
from worker.tasks.image_classification import ImageClassificationLoss
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.environment import TrainingCallbacks
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.run_order import run_order
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.loop import TrainingInterrupted

FINAL = {"kind": TrialKind.FINAL}
NORMALISED = chain(
    iter(
        [
            Input((1, 6, 4)),
            *(Conv2d(4), Conv2d(6), BatchNorm(), ReLU()),
            *(Flatten(), Dense(3), Output()),
        ]
    )
)


def test_a_trial_ends_with_its_best_value_and_weights(environment, storage):
    ended, recorded = run(order_for(storage, hyperparameters={"epochs": 6}), environment)
    assert ended.status is TrialStatus.COMPLETED
    metrics = [epoch.validation_metric for epoch in recorded.epochs]
    assert ended.value == max(metrics) == metrics[ended.best_epoch - 1]
    assert ended.value > 0.5  # a third by chance
    assert 0 < ended.value_std < 0.12
    assert [epoch.epoch for epoch in recorded.epochs] == list(range(1, 7))
    assert recorded.steps == list(range(1, 6 * (72 // 16) + 1))
    assert (ended.epochs, ended.parameters) == (6, NETWORK.parameters)
    assert ended.samples_per_second > 0
    assert 0 < ended.latency < 1
    assert (ended.test, ended.export) == (None, None)
    check(NETWORK, stored_weights(ended, storage))


def test_the_same_order_gives_the_same_weights_and_another_seed_others(environment, storage):
    first, again, other = (run(order_for(storage, seed=seed), environment)[0] for seed in (1, 1, 2))
    assert (first.weights, first.value) == (again.weights, again.value)
    assert first.weights != other.weights


@pytest.mark.parametrize("kind", [k for k in MORPHISMS if MORPHISMS[k].preserves_function])
def test_a_child_begins_where_its_parent_ended(environment, storage, kind):
    parent = order_for(storage)
    ended, _ = run(parent, environment)
    morphism = next(iter(MORPHISMS[kind].candidates(NETWORK, SMALL)))
    child = order_for(
        storage,
        architecture=morphism.apply(NETWORK),
        hyperparameters=NO_CHANGE | {"patience": 1},
        parent_architecture=NETWORK.to_json(),
        parent_weights=ended.weights,
        morphisms=(to_json(morphism),),
        seed=7,
    )
    inherited, _ = run(child, environment)
    assert inherited.status is TrialStatus.COMPLETED
    expected = transfer_all(
        NETWORK, stored_weights(ended, storage), [morphism], np.random.default_rng(7)
    )
    found = stored_weights(inherited, storage)
    check(morphism.apply(NETWORK), found)
    for node_id, parameters in expected.items():
        for name, array in parameters.items():
            if not name.startswith("running"):  # statistics change although nothing is learned
                np.testing.assert_array_equal(found[node_id][name], array)
    if "batch_norm" not in {node["kind"] for node in child.architecture["nodes"]}:
        assert inherited.value == ended.value


def test_morphisms_that_shrink_refit_weights_on_training_examples_only(environment, storage):
    data = arrays()
    parent, _ = run(order_for(storage, data), environment)
    morphism = next(iter(MORPHISMS["narrow"].candidates(NETWORK, SMALL)))
    child = order_for(
        storage,
        data,
        architecture=morphism.apply(NETWORK),
        hyperparameters=NO_CHANGE,
        parent_architecture=NETWORK.to_json(),
        parent_weights=parent.weights,
        morphisms=(to_json(morphism),),
        seed=7,
    )
    ended, _ = run(child, environment)
    chosen, _ = validation_split(data.y_train, 0.2, 0)
    x = data.x_train[chosen].astype(np.float32)
    probe = (x - x.mean()) / x.std()

    def expected(probe):
        before, rng = stored_weights(parent, storage), np.random.default_rng(7)
        return transfer_all(NETWORK, before, [morphism], rng, probe)

    found = stored_weights(ended, storage)
    for node_id, parameters in expected(probe).items():
        for name, array in parameters.items():
            np.testing.assert_allclose(found[node_id][name], array, rtol=1e-3, atol=1e-4)
    blind = expected(None)
    assert any(np.abs(found[i]["weight"] - blind[i]["weight"]).max() > 0.01 for i in blind)


def test_a_trial_without_morphisms_goes_on_with_its_parents_weights(environment, storage):
    first, _ = run(order_for(storage), environment)
    order = order_for(storage, hyperparameters=NO_CHANGE, parent_weights=first.weights)
    again, _ = run(order, environment)
    assert (again.weights, again.value) == (first.weights, first.value)


def test_validation_examples_are_only_measured(environment, storage):
    """With other examples there, the training is the same to the last bit."""
    data = arrays()
    _, held = validation_split(data.y_train, 0.2, 0)
    bright = data.x_train.copy()
    bright[held] = 255
    _, recorded = run(order_for(storage, data), environment)
    _, others = run(order_for(storage, dataclasses.replace(data, x_train=bright)), environment)
    losses = [
        [epoch.train_loss for epoch in other_recorded.epochs]
        for other_recorded in (recorded, others)
    ]
    assert losses[0] == losses[1]
    assert recorded.epochs[-1].validation_loss != others.epochs[-1].validation_loss


def test_trials_of_one_search_have_one_split_for_all_their_seeds(environment, storage):
    losses = set()
    first, _ = run(order_for(storage), environment)
    for seed, split_seed in ((1, 0), (2, 0), (1, 5)):
        order = order_for(
            storage,
            seed=seed,
            hyperparameters=NO_CHANGE | {"split_seed": split_seed},
            parent_weights=first.weights,
        )
        losses.add((split_seed, run(order, environment)[1].epochs[0].validation_loss))
    assert len(losses) == len({loss for _, loss in losses}) == 2


def test_a_final_fit_trains_on_everything_and_is_tested_once(environment, storage):
    data = arrays()
    order = order_for(storage, data, hyperparameters={"epochs": 8}, **FINAL)
    ended, recorded = run(order, environment)
    assert ended.status is TrialStatus.COMPLETED
    assert recorded.steps[-1] == 8 * (90 // 16)
    assert {epoch.validation_metric for epoch in recorded.epochs} == {None}
    assert (ended.value, ended.value_std, ended.best_epoch) == (None, None, 8)
    assert ended.test.examples == 30
    assert ended.test.metric > 0.6
    assert ended.weights_proof == proof(order.token, storage.get(ended.weights))
    assert ended.export_proof == proof(order.token, storage.get(ended.export))
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        assert archive.read("weights.safetensors") == storage.get(ended.weights)
        preprocess = json.loads(archive.read("preprocess.json"))
    expected = Normalisation.of(data.x_train)
    assert (preprocess["mean"], preprocess["std"]) == ([*expected.mean], [*expected.std])


def test_other_test_examples_change_only_the_test_metrics(environment, storage):
    data = arrays()
    ended, _ = run(order_for(storage, data, **FINAL), environment)
    dark = dataclasses.replace(data, x_test=data.x_test // 3)
    other, _ = run(order_for(storage, dark, **FINAL), environment)
    assert ended.weights == other.weights
    assert ended.test != other.test


def test_a_stopped_final_fit_is_neither_tested_nor_exported(environment, storage):
    ended, recorded = run(order_for(storage, **FINAL), environment, stop_after=2)
    assert (ended.status, recorded.steps, ended.epochs) == (TrialStatus.STOPPED, [1, 2], 1)
    assert (ended.test, ended.export) == (None, None)
    check(NETWORK, stored_weights(ended, storage))


def test_a_stopped_trial_keeps_its_best_value_and_weights(environment, storage):
    ended, recorded = run(
        order_for(storage, hyperparameters={"epochs": 50}), environment, stop_after=9
    )
    assert (ended.status, ended.epochs) == (TrialStatus.STOPPED, 3)
    assert ended.value == max(epoch.validation_metric for epoch in recorded.epochs)
    check(NETWORK, stored_weights(ended, storage))


# --- orders that cannot be carried out --------------------------------------------------------


def path_of(blob: BlobRef, storage: Storage) -> Path:
    return Path(storage.url.removeprefix("file://")) / blob.key


def missing(order, storage):
    path_of(order.parent_weights, storage).unlink()
    return order


def flipped(order, storage):
    path = path_of(order.parent_weights, storage)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    return order


def cut_short(order, storage):
    path = path_of(order.parent_weights, storage)
    path.write_bytes(path.read_bytes()[:-5])
    return order


def with_weights(data):
    """The order with these bytes in place of the parent's weights, stored as they should be."""

    def change(order, storage):
        blob = storage.put("weights", data, "safetensors")
        return order.model_copy(update={"parent_weights": blob})

    return change


def with_data(data):
    def change(order, storage):
        blob = storage.put("datasets", data, "safetensors")
        return order.model_copy(update={"dataset": blob})

    return change


def with_fields(**fields):
    return lambda order, storage: order.model_copy(update=fields)


WEIGHTS = initialise(NETWORK, np.random.default_rng(0))
OTHER = chain(iter([Input((1, 6, 4)), Flatten(), Dense(3), Output()]))
NAN = WEIGHTS | {1: WEIGHTS[1] | {"bias": np.full(4, np.nan, np.float32)}}
WIDE = next(iter(MORPHISMS["widen"].candidates(NETWORK, SMALL)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (missing, "nothing is stored under weights/"),
        (flipped, "has the hash"),
        (cut_short, "bytes, expected"),
        (with_weights(b"no tensors"), "the weights are not safetensors"),
        (with_weights(save(initialise(OTHER, np.random.default_rng(0)))), "the weights lack"),
        (with_weights(save(NAN)), "1.bias has NaN or infinite values"),
        (with_data(b"no data set"), "the stored data set cannot be read"),
        (with_data(save(WEIGHTS)), "the stored data set cannot be read"),
        (with_fields(morphisms=(to_json(WIDE),)), "the morphisms lead to architecture"),
        (with_fields(morphisms=({"kind": "fold"},)), "unknown morphism 'fold'"),
        (with_fields(architecture={"nodes": 5}), "architecture"),
        (with_fields(task="fortune-telling"), "unknown task 'fortune-telling'"),
    ],
)
def test_an_order_that_can_never_be_run_fails_without_another_attempt(
    environment, storage, change, reason
):
    parent = storage.put("weights", save(WEIGHTS), "safetensors")
    order = change(order_for(storage, parent_weights=parent), storage)
    ended, recorded = run(order, environment)
    assert (ended.status, ended.retry) == (TrialStatus.FAILED, False)
    assert reason in ended.reason
    assert recorded.steps == []
    assert ended.weights is None
    is_parent = change in {missing, flipped, cut_short} or "weights" in reason or "NaN" in reason
    assert ended.damaged == (order.parent_weights if is_parent else None)


def test_a_lost_data_set_is_no_fault_of_the_trial(environment, storage):
    """Whether an earlier trial of the same trainer has read it or not."""
    for changes in ({}, {"validation_fraction": 0.5}):  # the second is split in another way
        order = order_for(storage, hyperparameters=changes)
        path = path_of(order.dataset, storage)
        if changes:
            run(order_for(storage), environment)
        path.unlink()
        ended, _ = run(order, environment)
        assert (ended.status, ended.setback) == (TrialStatus.FAILED, True)
        assert ended.damaged == order.dataset
        assert ended.reason == (
            f"the data set {order.dataset_name} cannot be read: "
            f"nothing is stored under {order.dataset.key}"
        )


def test_a_failing_disk_is_worth_another_attempt(environment, storage):
    order = order_for(storage)
    (Path(storage.url.removeprefix("file://")) / "weights").write_text("in the way")
    ended, _ = run(order, environment)
    assert (ended.status, ended.retry, ended.setback) == (TrialStatus.FAILED, True, True)
    assert ended.reason.startswith("storage or disk: ")


def test_a_result_is_stored_once_the_disk_works_again(environment, storage):
    blocked = Path(storage.url.removeprefix("file://")) / "weights"
    order = order_for(storage)
    blocked.write_text("in the way")
    waited = []

    def repair(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            blocked.unlink()

    ended, _ = run(order, dataclasses.replace(environment, wait=repair))
    assert ended.status is TrialStatus.COMPLETED
    assert waited == [1, 2, 4]


@pytest.mark.parametrize("kind", sorted({*TrialKind} - {TrialKind.EXPORT}))
def test_a_training_that_diverges_is_infeasible(environment, storage, kind):
    hyperparameters = {"optimiser": "sgd", "learning_rate": 1e30}
    ended, _ = run(order_for(storage, hyperparameters=hyperparameters, kind=kind), environment)
    assert (ended.status, ended.out_of_memory) == (TrialStatus.INFEASIBLE, False)
    assert "the training has diverged" in ended.reason
    assert (ended.value, ended.weights, ended.export) == (None, None, None)


def out_of_cuda_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much\nand a long story")


@pytest.mark.parametrize(
    ("at_step", "reason"),
    [
        (lambda: torch.empty(2**58), "allocate memory"),
        (lambda: np.empty(2**58), "Unable to allocate"),
        (out_of_cuda_memory, "CUDA out of memory. Tried to allocate much"),
    ],
)
def test_too_little_memory_makes_the_architecture_infeasible(environment, storage, at_step, reason):
    ended, _ = run(order_for(storage), environment, at_step=at_step)
    assert (ended.status, ended.out_of_memory) == (TrialStatus.INFEASIBLE, True)
    assert ended.reason.startswith("out of memory: ")
    assert reason in ended.reason
    assert "\n" not in ended.reason


def test_a_network_too_large_to_be_made_is_infeasible(environment, storage):
    huge = chain(iter([Input((1, 6, 4)), Flatten(), Dense(2**52), Dense(3), Output()]))
    ended, _ = run(order_for(storage, architecture=huge), environment)
    assert (ended.status, ended.reason[:13]) == (TrialStatus.INFEASIBLE, "out of memory")


def test_an_unforeseen_error_is_raised(environment, storage):
    def unforeseen():
        raise RuntimeError("unforeseen")

    with pytest.raises(RuntimeError, match="unforeseen"):
        run(order_for(storage), environment, at_step=unforeseen)


def test_small_steps_get_one_thread_and_large_ones_all(environment, storage):
    threads = []
    for batch_size in (16, 10**9):
        order = order_for(storage, hyperparameters={"batch_size": batch_size, "epochs": 1})
        run(order, environment, at_step=lambda: threads.append(torch.get_num_threads()))
    assert (threads[0], threads[-1]) == (1, 2)


def test_precision_layout_and_threads_are_reported(environment, storage):
    ended, _ = run(order_for(storage), environment)
    assert ended.precision == "fp32 channels-last, 1 thread"
    fast = dataclasses.replace(
        environment, computes={3: Compute(environment.device, torch.bfloat16)}
    )
    ended, _ = run(order_for(storage), fast)
    assert ended.precision == "bf16, 1 thread"


def test_the_test_split_is_evaluated_in_single_precision(environment, storage):
    """So that the exported model, which predicts in it, reproduces the metric and the loss."""
    fast = dataclasses.replace(
        environment, computes={3: Compute(environment.device, torch.bfloat16)}
    )
    data = arrays()
    ended, _ = run(order_for(storage, data, **FINAL), fast)
    network = Network(NETWORK)
    network.read(stored_weights(ended, storage))
    normalisation = Normalisation.of(data.x_train)
    test = Examples(data.x_test, data.y_test, normalisation, environment.device)
    single = evaluate(network, test, "image-classification", Compute(environment.device))
    rounded = evaluate(
        network, test, "image-classification", Compute(environment.device, torch.bfloat16)
    )
    assert ended.test.loss == pytest.approx(single.loss, rel=1e-6)
    assert ended.test.loss != pytest.approx(rounded.loss, rel=1e-6)


def test_the_value_is_the_objective_of_the_task_and_reports_have_its_metric(environment, storage):
    """Where less is better, the best epoch has the least metric; the objective is its negative."""
    order = order_for(
        storage,
        metric="log-loss",
        hyperparameters={"epochs": 9, "rung": 1 / 3, "least_at_rung": -9.0},
    )
    ended, recorded = run(order, environment)
    metrics = [epoch.validation_metric for epoch in recorded.epochs]
    assert ended.status is TrialStatus.COMPLETED
    assert ended.value == -min(metrics) == -metrics[ended.best_epoch - 1]
    assert ended.value_at_rung == -metrics[2]


def test_a_training_behind_others_is_stopped_by_the_direction_of_the_task(environment, storage):
    order = order_for(
        storage,
        metric="log-loss",
        hyperparameters={"epochs": 9, "rung": 1 / 3, "least_at_rung": -1e-9},
    )
    ended, recorded = run(order, environment)
    assert (ended.status, ended.epochs) == (TrialStatus.STOPPED, 3)
    metric = recorded.epochs[2].validation_metric
    assert (
        f"log-loss {metric:.4g} after 33 % of its training, where 1e-09 was needed" in ended.reason
    )


def test_the_validation_loss_is_the_calibrated_loss_of_the_kept_weights(environment, storage):
    data = arrays()
    ended, recorded = run(order_for(storage, data, hyperparameters={"epochs": 6}), environment)
    chosen, held_out = validation_split(data.y_train, 0.2, 0)
    normalisation = Normalisation.of(data.x_train[chosen])
    x, y = data.x_train[held_out], data.y_train[held_out]
    network = Network(NETWORK)
    network.read(stored_weights(ended, storage))
    validation = Examples(x, y, normalisation, environment.device)
    kept = evaluate(network, validation, "image-classification", Compute(environment.device))
    assert ended.validation_loss == pytest.approx(kept.calibrated_loss("image-classification"))
    assert ended.validation_loss != recorded.epochs[ended.best_epoch - 1].validation_loss


def test_the_calibrated_loss_is_computed_once_for_each_training(environment, storage, monkeypatch):
    """It costs 28 losses of all validation examples: too much for every evaluation."""
    losses = []
    computed = ImageClassificationLoss.calibrated_loss

    def counted(self, outputs, targets):
        losses.append(computed(self, outputs, targets))
        return losses[-1]

    monkeypatch.setattr(ImageClassificationLoss, "calibrated_loss", counted)
    ended, _ = run(order_for(storage, hyperparameters={"epochs": 6}), environment)
    assert [float(loss) for loss in losses] == [ended.validation_loss]


def test_a_training_that_diverges_with_a_finite_loss_stores_no_infinite_weights(
    environment, storage
):
    """Batch normalisation hides large activations from the loss, and its variance overflows."""
    diverging = {"optimiser": "sgd", "learning_rate": 100.0}
    order = order_for(storage, architecture=NORMALISED, hyperparameters=diverging)
    ended, _ = run(order, environment)
    assert (ended.status, ended.weights) == (TrialStatus.INFEASIBLE, None)
    assert "running_var has NaN or infinite values" in ended.reason
    assert ended.reason.endswith("the training has diverged")


def test_a_stop_is_obeyed_while_data_are_read(environment, storage):
    order = order_for(storage)
    read = []
    callbacks = TrainingCallbacks(
        should_stop=lambda: len(read) == 2,
        on_step=lambda step: pytest.fail("a step was made"),
        on_epoch=lambda metrics: None,
        on_read=lambda: read.append(1),
    )

    ended = run_order(order, environment, callbacks)

    assert ended.status is TrialStatus.STOPPED
    assert ended.reason == "stopped while it read its data, before the first step"
    assert len(read) == 2
    assert run(order, environment)[0].status is TrialStatus.COMPLETED


def test_a_training_is_handed_back_while_it_reads_its_data(environment, storage):
    callbacks = TrainingCallbacks(
        should_stop=lambda: False,
        on_step=lambda step: pytest.fail("a step was made"),
        on_epoch=lambda metrics: None,
        should_hand_back=lambda: True,
    )

    with pytest.raises(TrainingInterrupted):
        run_order(order_for(storage), environment, callbacks)
