"""A training that continues from a checkpoint ends as if it had never been interrupted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import CorruptBlob, InfeasibleTrial
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.training import Optimiser
from tests.worker.trainer.trainings import CNN, CPU, MLP, TASK, blobs, network_of, train_with
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.training.checkpointer import SHARE, Checkpointer, Snapshot
from worker.trainer.training.loop import Outcome, TrainingInterrupted, train
from worker.trainer.training.state import State, pack, unpack

CHANNELS_LAST = Compute(CPU, channels_last=True)
EPOCHS, EPOCH_STEPS = 5, 3


def cnn():
    network = network_of(CNN)
    network.to(memory_format=CHANNELS_LAST.memory_format)
    return network


class Training:
    """A short training on augmented images, which can be interrupted after some steps."""

    def __init__(self, network, state: State | None = None, until: int | None = None, **h: Any):
        self.network = network
        self.snapshots: list[Snapshot] = []
        self.steps: list[int] = []
        self.outcome: Outcome | None = None
        checkpointer = Checkpointer(
            self.snapshots.append,
            seconds=0.0,
            should_hand_back=lambda: until is not None and self.steps[-1] >= until,
            clock=lambda: 0.0,
        )
        try:
            self.outcome = self._train(checkpointer, state, h)
        except TrainingInterrupted:
            checkpointer.store()

    def _train(self, checkpointer: Checkpointer, state: State | None, h: Any) -> Outcome:
        options = {"augmentation": "affine-flip", "erasing": 0.25, "channels_last": True}
        return train(
            self.network,
            blobs(48, (2, 8, 8), **options),
            blobs(24, (2, 8, 8), seed=1, channels_last=True),
            Hyperparameters(
                **{"epochs": EPOCHS, "batch_size": 16, "learning_rate": 0.01, "mixing": 0.5} | h
            ),
            task=TASK,
            seed=5,
            compute=CHANNELS_LAST,
            chance_loss=9.0,
            on_step=self.steps.append,
            checkpointer=checkpointer,
            state=state,
        )

    def weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.numpy().copy() for name, tensor in self.network.state_dict().items()}

    def facts(self) -> object:
        """The outcome without its times."""
        assert self.outcome is not None
        timeless = replace(self.outcome, seconds=0.0, samples_per_second=0.0, history=())
        return timeless, [one.model_dump(exclude={"seconds"}) for one in self.outcome.history]


def assert_equal(a: Training, b: Training) -> None:
    assert a.facts() == b.facts()
    assert a.weights().keys() == b.weights().keys()
    for name, array in a.weights().items():
        np.testing.assert_array_equal(array, b.weights()[name], err_msg=name)


@pytest.mark.parametrize("averaging", [0.0, 0.2])
@pytest.mark.parametrize("optimiser", Optimiser)
def test_a_resumed_training_ends_as_the_uninterrupted_one_bit_for_bit(optimiser, averaging):
    """Batches, augmentation, mixing, dropout, optimiser, average, best weights, rung, schedule."""
    h = {"optimiser": optimiser, "averaging": averaging, "rung": 0.4, "least_at_rung": 0.0}
    h |= {"unaugmented": 0.5}
    uninterrupted = Training(cnn(), **h)
    interrupted = Training(cnn(), until=10, **h)
    assert [one.epoch for one in interrupted.snapshots] == [1, 2, 3]
    state = unpack(pack(interrupted.snapshots[-1].state))
    resumed = Training(cnn(), state, **h)
    assert resumed.steps == list(range(3 * EPOCH_STEPS + 1, EPOCHS * EPOCH_STEPS + 1))
    assert_equal(resumed, uninterrupted)


def test_an_ensemble_is_resumed_as_well():
    def ensemble() -> Ensemble:
        return Ensemble([cnn(), network_of(CNN, seed=1)])

    uninterrupted = Training(ensemble())
    interrupted = Training(ensemble(), until=7)
    resumed = Training(ensemble(), unpack(pack(interrupted.snapshots[-1].state)))
    assert_equal(resumed, uninterrupted)


def test_a_checkpoint_of_another_device_is_continued_with_the_dropout_of_this_one():
    """The generators of devices have states of different lengths."""
    state = unpack(pack(Training(cnn(), until=7).snapshots[-1].state))
    state["step"]["dropout"]["0"] = state["step"]["dropout"]["0"][:16]
    assert Training(cnn(), state).outcome.epochs == EPOCHS


def test_a_training_that_was_at_its_end_keeps_its_weights():
    finished = Training(cnn())
    resumed = Training(cnn(), unpack(pack(finished.snapshots[-1].state)))
    assert resumed.steps == []
    assert_equal(resumed, finished)


def test_a_training_goes_on_after_its_checkpoint_as_without_one():
    assert_equal(Training(cnn()), Training(cnn(), until=10**9))


def test_time_that_was_trained_before_counts():
    ticks = iter(range(10**6))
    options = {"epochs": 10**6, "max_seconds": 100.0, "clock": lambda: float(next(ticks))}
    snapshots: list[Snapshot] = []
    checkpointer = Checkpointer(snapshots.append, seconds=0.0, clock=lambda: 0.0)
    options |= {"checkpointer": checkpointer}
    whole = train_with(network_of(MLP), blobs(32), blobs(16, seed=1), **options)
    middle = snapshots[len(snapshots) // 2]
    rest = train_with(network_of(MLP), blobs(32), blobs(16, seed=1), state=middle.state, **options)
    assert whole.seconds == pytest.approx(100, abs=10)
    assert rest.seconds == pytest.approx(100, abs=10)
    assert rest.steps > middle.state["steps"]


def test_weights_that_are_not_finite_end_the_training_although_its_loss_is():
    """The running variance of batch normalisation overflows; no training step uses it."""
    network = network_of(MLP)
    network.layers["2"].running_var.fill_(float("inf"))
    with pytest.raises(InfeasibleTrial, match=r"layers\.2\.running_var has NaN or infinite"):
        train_with(network, blobs(32), None)


class Clock:
    """A clock that goes on when told; copying and storing take these times."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def an_epoch(checkpointer: Checkpointer, clock: Clock, epoch: int, copying: float) -> None:
    def snapshot() -> Snapshot:
        clock.spend(copying)
        return Snapshot(epoch, clock.now, {"epoch": epoch})

    clock.spend(1.0)
    checkpointer.at_epoch(snapshot)


def test_checkpoints_take_a_small_share_of_the_time():
    clock, stored = Clock(), []

    def store(snapshot: Snapshot) -> None:
        stored.append(snapshot.epoch)
        clock.spend(0.5)

    checkpointer = Checkpointer(store, seconds=30.0, clock=clock)
    copying = 0.05
    for epoch in range(1, 1001):
        an_epoch(checkpointer, clock, epoch, copying)
    assert len(stored) >= 10
    assert clock.now < 1000 * (1 + 2 * SHARE) + 2


def test_checkpoints_are_stored_seldom_and_the_last_copy_on_demand():
    clock, stored = Clock(), []
    checkpointer = Checkpointer(lambda one: stored.append(one.epoch), seconds=10.0, clock=clock)
    for epoch in range(1, 25):
        an_epoch(checkpointer, clock, epoch, copying=0.0)
    assert stored == [10, 20]
    checkpointer.store()
    checkpointer.store()
    assert stored == [10, 20, 24]


def test_a_storage_that_fails_costs_a_checkpoint_and_not_the_training(capsys):
    def fail(snapshot: Snapshot) -> None:
        raise OSError(28, "No space left on device")

    clock = Clock()
    checkpointer = Checkpointer(fail, seconds=1.0, clock=clock)
    an_epoch(checkpointer, clock, 1, copying=0.0)
    assert "the checkpoint was not stored: [Errno 28]" in capsys.readouterr().err


def test_without_a_controller_that_takes_checkpoints_nothing_is_copied():
    clock = Clock()
    checkpointer = Checkpointer(clock=clock)
    an_epoch(checkpointer, clock, 1, copying=100.0)
    assert clock.now == 1.0


@pytest.mark.parametrize(
    "data", [b"", b"junk", pack({"a": 1})[:-3], pack({"a": torch.ones(2)})[:40]]
)
def test_bytes_that_are_no_state_are_corrupt(data):
    with pytest.raises(CorruptBlob, match="not the state of a training"):
        unpack(data)


def test_a_state_is_read_as_it_was_written():
    state = {"a": {"b": torch.arange(3), "c": {"d": 1.5, "e": {}}}, "f": [1, "x", None]}
    read = unpack(pack(state))
    assert torch.equal(read["a"].pop("b"), state["a"].pop("b"))
    assert read == state
