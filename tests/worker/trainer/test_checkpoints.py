"""Orders whose training is interrupted, and continued by another order from its checkpoint."""

from datetime import UTC, datetime, timedelta

import pytest

from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialKind, TrialStatus
from tests.worker.orders import NETWORK, arrays, order_for
from tests.worker.trainer.running import run
from worker.messages import Ended
from worker.trainer import checkpoints
from worker.trainer.environment import TrainingCallbacks
from worker.trainer.networks.compute import Compute
from worker.trainer.run_order import run_order
from worker.trainer.train_job import TrainJob
from worker.trainer.training.checkpointer import Snapshot
from worker.trainer.training.loop import TrainingInterrupted

EPOCH_STEPS = 72 // 16


def interrupted(order: TrainOrder, environment, after: int) -> list[Checkpoint]:
    """The checkpoints of a training that is handed back after these steps."""
    steps, stored = [0], []
    callbacks = TrainingCallbacks(
        should_stop=lambda: False,
        on_step=steps.append,
        on_epoch=lambda metrics: None,
        on_checkpoint=stored.append,
        should_hand_back=lambda: steps[-1] >= after,
    )
    with pytest.raises(TrainingInterrupted):
        run_order(order, environment, callbacks)
    return stored


def continued(order: TrainOrder, checkpoint: Checkpoint) -> TrainOrder:
    return order.model_copy(update={"checkpoint": checkpoint, "attempt": 2})


def timeless(ended: Ended) -> Ended:
    measured = {"seconds": 0.0, "samples_per_second": None, "latency": None, "export": None}
    return ended.model_copy(update=measured)


@pytest.fixture
def order(storage) -> TrainOrder:
    return order_for(storage, hyperparameters={"epochs": 6}, checkpoint_seconds=1000.0)


def test_an_interrupted_trial_stores_one_checkpoint_and_ends_as_without_the_interruption(
    environment, storage, order
):
    uninterrupted, _ = run(order, environment)
    (checkpoint,) = interrupted(order, environment, after=3 * EPOCH_STEPS + 1)
    assert 1 <= checkpoint.epoch <= 3
    ended, recorded = run(continued(order, checkpoint), environment)
    assert recorded.steps[0] == checkpoint.epoch * EPOCH_STEPS + 1
    assert [one.epoch for one in recorded.epochs] == list(range(checkpoint.epoch + 1, 7))
    assert timeless(ended) == timeless(uninterrupted)


def test_a_final_fit_beside_its_winner_is_continued(environment, storage):
    data = arrays()
    parent, _ = run(order_for(storage, data), environment)
    order = order_for(
        storage,
        data,
        kind=TrialKind.FINAL,
        parent_architecture=NETWORK.to_json(),
        parent_weights=parent.weights,
        hyperparameters={"epochs": 4, "averaging": 0.2},
        checkpoint_seconds=1000.0,
    )
    uninterrupted, _ = run(order, environment)
    (checkpoint,) = interrupted(order, environment, after=13)
    ended, _ = run(continued(order, checkpoint), environment)
    assert ended.comparison is not None
    assert timeless(ended) == timeless(uninterrupted)
    assert ended.weights == uninterrupted.weights


def test_a_training_goes_on_although_its_parent_is_gone(environment, storage, order):
    parent, _ = run(order_for(storage), environment)
    inherits = {"parent_architecture": NETWORK.to_json(), "parent_weights": parent.weights}
    order = order.model_copy(update=inherits)
    (checkpoint,) = interrupted(order, environment, after=9)
    storage.delete(parent.weights)
    ended, _ = run(continued(order, checkpoint), environment)
    assert ended.status is TrialStatus.COMPLETED


@pytest.mark.parametrize("fault", ["missing", "of another trial", "no state"])
def test_a_checkpoint_that_cannot_be_used_costs_the_training_and_not_the_trial(
    environment, storage, order, capsys, fault
):
    uninterrupted, _ = run(order, environment)
    (checkpoint,) = interrupted(order, environment, after=9)
    if fault == "missing":
        storage.delete(checkpoint.blob)
    elif fault == "of another trial":
        order = order.model_copy(update={"seed": 2})
        uninterrupted, _ = run(order, environment)
    else:
        blob = storage.put("checkpoints", b"junk", "safetensors")
        checkpoint = checkpoint.model_copy(update={"blob": blob})
    ended, recorded = run(continued(order, checkpoint), environment)
    assert "the training starts again, as its checkpoint cannot be used" in capsys.readouterr().err
    assert recorded.epochs[0].epoch == 1
    assert timeless(ended) == timeless(uninterrupted)


def test_a_training_goes_on_with_the_precision_with_which_it_began(
    environment, storage, order, monkeypatch
):
    """The choice is measured, and may differ from one process to the next."""
    job = TrainJob.of(order)
    began = Compute(environment.device, channels_last=True)
    blob = checkpoints.write(job, began, Snapshot(1, 1.0, {"steps": 1}), storage).blob
    job = TrainJob.of(continued(order, Checkpoint(epoch=1, seconds=1.0, blob=blob)))
    assert checkpoints.read(job, storage, environment.here).compute == began
    fewer = Compute(environment.device, threads=0)
    assert checkpoints.read(job, storage, fewer).compute is None
    monkeypatch.setattr(checkpoints, "hardware", lambda device: "another processor")
    elsewhere = checkpoints.read(job, storage, environment.here)
    assert (elsewhere.compute, elsewhere.state) == (None, {"steps": 1})


def test_a_controller_that_takes_no_checkpoints_gets_none(environment, storage):
    order = order_for(storage, hyperparameters={"epochs": 6})
    assert interrupted(order, environment, after=9) == []
    assert storage.stale("checkpoints", datetime.now(UTC) + timedelta(minutes=1)) == []
