"""The trainer does on a GPU what it does on the CPU: run with `-m gpu`."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.weights import load
from core.layers import BatchNorm, Conv2d, Dense, Dropout, Flatten, Input, MaxPool2d, Output, ReLU
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.states import TrialKind, TrialStatus
from tests.strategies import random_inputs, random_weights
from tests.worker.orders import NETWORK, arrays, order_for
from tests.worker.trainer.running import run
from worker.agent.trainer_process import EndOfEvents, TrainerProcess
from worker.messages import Ended, Ready
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.networks.compute import Compute, fastest
from worker.trainer.networks.network import Network
from worker.trainer.training.checkpointer import Checkpointer, Snapshot
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.loop import train
from worker.trainer.training.state import pack, unpack

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
TASK = "image-classification"
GOLDEN = sorted((Path(__file__).parents[2] / "assets" / "architectures").glob("*.json"))
NORMED = chain(
    iter(
        [
            Input((1, 6, 4)),
            *(Conv2d(16), BatchNorm(), ReLU(), MaxPool2d(), Flatten(), Dropout(0.2)),
            *(Dense(3), Output()),
        ]
    )
)


def fast_on(device):
    """As trainers compute on a GPU; in single precision on the CPU."""
    return fastest(GPU, 1)[3] if device == GPU else Compute(CPU, channels_last=True)


def network_on(device, architecture, weights, *, channels_last=False):
    network = Network(architecture)
    network.read(weights)
    network.to(device)
    if channels_last:
        network.to(memory_format=torch.channels_last)
    return network.eval()


def examples_on(device, data, **options):
    return Examples(data.x_train, data.y_train, Normalisation.of(data.x_train), device, **options)


def trained_on(device, architecture=NORMED, **options):
    """A network after some epochs, with the outcome of its training."""
    data = arrays(train=960)
    weights = initialise(architecture, np.random.default_rng(0))
    network = network_on(device, architecture, weights, channels_last=True)
    h = Hyperparameters(**{"epochs": 4, "batch_size": 32, "learning_rate": 0.01} | options)
    outcome = train(
        network,
        examples_on(device, data, augmentation=h.augmentation, channels_last=True),
        examples_on(device, arrays(train=300, seed=1), channels_last=True),
        h,
        task=TASK,
        seed=1,
        compute=fast_on(device),
    )
    return network, outcome


@pytest.fixture
def exact():
    """Products in full single precision, so that only the order of sums differs."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_network_computes_the_same_in_single_precision(path, channels_last):
    data = json.loads(path.read_text())
    architecture = Architecture.from_json(data.get("architecture", data))
    rng = np.random.default_rng(0)
    weights = random_weights(architecture, rng, np.float32)
    x = torch.from_numpy(random_inputs(architecture, rng, np.float32, count=8))
    with torch.inference_mode():
        expected = network_on(CPU, architecture, weights)(x)
        network = network_on(GPU, architecture, weights, channels_last=channels_last)
        if channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        found = network(x.to(GPU)).cpu()
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
def test_a_seed_gives_the_same_batches_through_pinned_memory(augmentation):
    """Many small copies in flight: none may be overwritten before it has arrived."""
    data = arrays(train=3000)
    epochs = []
    for device in (CPU, GPU):
        examples = examples_on(device, data, augmentation=augmentation, channels_last=True)
        batches = list(examples.training_batches(8, torch.Generator().manual_seed(3)))
        batches += examples.batches(8)
        assert {x.device.type for x, _ in batches} == {device.type}
        assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in batches)
        epochs.append([(x.cpu(), y.cpu()) for x, y in batches])
    for (x, y), (same_x, same_y) in zip(*epochs, strict=True):
        assert torch.equal(y, same_y)
        assert torch.allclose(x, same_x, rtol=1e-6, atol=1e-6)


def test_an_evaluation_in_bfloat16_is_close_to_one_in_single_precision():
    network, _ = trained_on(CPU, epochs=2)
    weights = network.weights()
    found = []
    for device in (CPU, GPU):
        examples = examples_on(device, arrays(train=1500, seed=2), channels_last=True)
        network = network_on(device, NORMED, weights, channels_last=True)
        found.append(evaluate(network, examples, TASK, fast_on(device)))
    assert found[0].metric == pytest.approx(found[1].metric, abs=0.01)
    assert found[0].loss == pytest.approx(found[1].loss, rel=0.02)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_training_has_the_losses_of_one_on_the_cpu(optimiser):
    _, expected = trained_on(CPU, optimiser=optimiser)
    network, found = trained_on(GPU, optimiser=optimiser)
    assert (found.epochs, found.steps) == (expected.epochs, expected.steps)
    first, same = found.history[0], expected.history[0]
    assert first.train_loss == pytest.approx(same.train_loss, rel=0.05)  # dropout differs
    assert found.best.metric == pytest.approx(expected.best.metric, abs=0.05)
    for parameters in network.weights().values():
        for array in parameters.values():
            assert array.dtype == np.float32
            assert np.isfinite(array).all()
            assert array.flags.c_contiguous
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_dropout_is_decided_by_the_seed():
    network = network_on(GPU, NORMED, initialise(NORMED, np.random.default_rng(0))).train()
    x = torch.ones((64, 1, 6, 4), device=GPU)

    def computed(seed):
        network.seed(seed, GPU)
        with torch.inference_mode():
            return network.layers["6"](x)

    assert torch.equal(computed(1), computed(1))
    assert not torch.equal(computed(1), computed(2))


def run_on_gpu(storage, order, at_step=lambda: None):
    environment = TrainingEnvironment(
        storage=storage, cache=Path("unused"), device=GPU, threads=1, computes=fastest(GPU, 1)
    )
    return run(order, environment, at_step=at_step)[0]


def test_a_final_fit_gives_an_export_that_predicts_on_the_cpu(storage):
    data = arrays(train=900, test=300)
    order = order_for(storage, data, NORMED, {"epochs": 6}, kind=TrialKind.FINAL)
    ended = run_on_gpu(storage, order)
    assert ended.status is TrialStatus.COMPLETED
    network = network_on(CPU, NORMED, load(storage.get(ended.weights)))
    normalisation = Normalisation.of(data.x_train)
    test = Examples(data.x_test, data.y_test, normalisation, CPU)
    found = evaluate(network, test, TASK, Compute(CPU))
    assert found.metric == pytest.approx(ended.test.metric, abs=0.02)
    assert found.loss == pytest.approx(ended.test.loss, rel=0.05)


def test_too_little_memory_is_infeasible_and_the_next_trial_is_trained(storage):
    kept = []
    ended = run_on_gpu(
        storage, order_for(storage), lambda: kept.append(torch.empty(2**46, device=GPU))
    )
    assert ended.status is TrialStatus.INFEASIBLE
    assert ended.reason.startswith("out of memory: CUDA out of memory.")
    assert run_on_gpu(storage, order_for(storage)).status is TrialStatus.COMPLETED


def test_the_trainer_process_takes_the_gpu_and_says_which(storage, tmp_path):
    environment = os.environ | {
        "NETMORPH_STORAGE_URL": storage.url,
        "NETMORPH_CACHE_DIR": str(tmp_path / "cache"),
        "NETMORPH_DEVICE": "auto",
        "NETMORPH_THREADS": "1",
    }
    trainer = TrainerProcess((sys.executable, "-P", "-m", "worker.trainer"), environment)
    try:
        ready = next(iter(lambda: trainer.next_notice(60.0), None))
        _, memory = torch.cuda.mem_get_info()
        assert ready == Ready(device=torch.cuda.get_device_name(), memory=memory)
        trainer.train(order_for(storage, architecture=NETWORK))
        for notice in iter(lambda: trainer.next_notice(60.0), None):
            if isinstance(notice, (Ended, EndOfEvents)):
                break
        assert isinstance(notice, Ended)
        assert notice.status is TrialStatus.COMPLETED
    finally:
        trainer.kill()


@pytest.mark.parametrize("device", [GPU, CPU])
def test_a_training_that_began_on_a_gpu_is_continued_there_or_on_a_cpu(device):
    snapshots: list[Snapshot] = []
    checkpointer = Checkpointer(snapshots.append, seconds=0.0, clock=lambda: 0.0)
    weights = initialise(NORMED, np.random.default_rng(0))
    data = arrays()
    h = Hyperparameters(epochs=4, batch_size=16, averaging=0.2, optimiser="muon")

    def train_on(device, **options):
        plain = Normalisation((100.0,), (50.0,))
        training = Examples(data.x_train, data.y_train, plain, device)
        validation = Examples(data.x_test, data.y_test, plain, device)
        network = network_on(device, NORMED, weights)
        compute = Compute(device)
        outcome = train(
            network, training, validation, h, task=TASK, seed=1, compute=compute, **options
        )
        return outcome, network.weights()

    whole, expected = train_on(GPU, checkpointer=checkpointer)
    middle = unpack(pack(snapshots[1].state))
    outcome, found = train_on(device, state=middle)
    assert (outcome.epochs, outcome.steps) == (whole.epochs, whole.steps)
    if device == GPU:
        for node_id, parameters in expected.items():
            for name, array in parameters.items():
                np.testing.assert_allclose(found[node_id][name], array, rtol=1e-3, atol=1e-4)
