"""A training that goes on from a checkpoint ends like one that was never interrupted."""

import numpy as np
import pytest
import torch

from core.graph.roots import chain
from core.layers import BatchNorm, Conv2d, Dense, Dropout, GlobalAvgPool2d, Input, Output, ReLU
from core.protocol.contracts import Hyperparameters, Optimiser
from tests.worker.trainer.trainings import CNN, MLP, TASK, blobs, network_of
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.training.checkpointer import Checkpointer, Snapshot
from worker.trainer.training.loop import Outcome, TrainingInterrupted, train
from worker.trainer.training.state import pack, unpack

CPU = torch.device("cpu")
SHAPES = {id(CNN): (2, 8, 8), id(MLP): (6,)}
AUGMENTED = {"augmentation": "affine-flip", "erasing": 0.25}
STEPS = 6  # of an epoch


def run(network, *, stop_at=None, state=None, images=True, compute=Compute(CPU), **h):
    """Train for 8 epochs of 6 steps, or until handed back; the outcome and the snapshots."""
    shape, options = ((2, 8, 8), AUGMENTED) if images else ((6,), {})
    snapshots: list[Snapshot] = []
    steps = 0
    done = 0 if state is None else state["steps"]

    def count(step: int) -> None:
        nonlocal steps
        steps = step

    checkpointer = Checkpointer(
        snapshots.append, 0.0, lambda: stop_at is not None and steps >= stop_at
    )
    checkpointer._copy_due = 0.0
    outcome = None
    try:
        outcome = train(
            network,
            blobs(96, shape, channels_last=compute.channels_last, **options),
            blobs(48, shape, seed=1, channels_last=compute.channels_last),
            Hyperparameters(**{"epochs": 8, "batch_size": 16, "learning_rate": 0.01} | h),
            task=TASK,
            seed=5,
            compute=compute,
            on_step=count,
            checkpointer=checkpointer,
            state=state,
        )
    except TrainingInterrupted:
        checkpointer.store()
    assert steps > done or steps == 0
    return outcome, snapshots


def arrays_of(network) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def same(a: Outcome, b: Outcome) -> bool:
    """Whether the outcomes agree in everything but times."""
    timeless = [
        (
            o.best.metric, o.best.loss, o.best_epoch, o.epochs, o.steps, o.at_rung and o.at_rung.loss,
            [m.model_dump(exclude={"seconds"}) for m in o.history],
        )
        for o in (a, b)
    ]  # fmt: skip
    return timeless[0] == timeless[1]


@pytest.mark.parametrize("optimiser", Optimiser)
@pytest.mark.parametrize("averaging", [0.0, 0.2])
def test_x(optimiser, averaging):
    h = {"optimiser": optimiser, "averaging": averaging, "mixing": 0.5, "rung": 0.5}
    compute = Compute(CPU, channels_last=True)

    def make():
        network = network_of(CNN)
        network.to(memory_format=compute.memory_format)
        return network

    whole = make()
    outcome, _ = run(whole, compute=compute, **h)
    first = make()
    _, snapshots = run(first, stop_at=28, compute=compute, **h)
    print([s.epoch for s in snapshots])
    second = make()
    resumed, _ = run(second, state=unpack(pack(snapshots[-1].state)), compute=compute, **h)
    assert same(outcome, resumed)
    for name, array in arrays_of(whole).items():
        assert np.array_equal(array, arrays_of(second)[name]), name
