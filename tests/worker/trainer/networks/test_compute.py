"""How the process computes: the choice and its name; the choice changes results little."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.graph.building import chain
from core.graph.initialisation import initialise
from core.layers import (
    LAYERS,
    BatchNorm,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
)
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.layers import MODULES
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import (
    PROBES,
    SMALL_STEP,
    Compute,
    Probe,
    best,
    fastest,
    fp32,
    kind_of,
    timed,
)
from worker.trainer.networks.network import Network
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.loop import train

CPU = torch.device("cpu")
FP32, FP32_LAST = Compute(CPU), Compute(CPU, channels_last=True)
BF16 = Compute(CPU, torch.bfloat16)
BF16_LAST = Compute(CPU, torch.bfloat16, channels_last=True)
ALL = [FP32, FP32_LAST, BF16, BF16_LAST]
SMALL = Probe(chain(iter([Input((4,)), Dense(3), Output()])), batch=2)
CNN = chain(
    iter(
        [
            Input((1, 8, 8)),
            *(Conv2d(8), BatchNorm(), ReLU(), GlobalAvgPool2d()),
            *(Dense(3), Output()),
        ]
    )
)


class Ticks:
    """A clock by which each step takes the next of these seconds."""

    def __init__(self, seconds):
        self.seconds, self.now, self.reads = iter(seconds), 0.0, 0

    def __call__(self):
        self.reads += 1
        if self.reads % 2 == 0:  # the end of a step
            self.now += next(self.seconds)
        return self.now


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([4.0, 3.0, 2.0, 1.0], BF16_LAST),
        ([4.0, 3.0, 1.5, 2.0], BF16),
        ([4.0, 3.0, 1.9, 2.0], BF16_LAST),
        ([4.0, 3.0, 9.0, 2.9], FP32_LAST),  # not clearly faster: it may be noise
        ([2.0, 3.0, 9.0, 9.0], FP32),  # bfloat16 is emulated here
    ],
)
def test_bfloat16_and_contiguous_images_are_chosen_where_they_are_clearly_faster(seconds, expected):
    assert best(dict(zip(ALL, seconds, strict=True))) == expected


def test_the_least_time_counts_and_the_first_one_does_not():
    warm_up, first, second = [0.001, 0.001], [0.020, 0.028], [0.025, 0.022]
    clock = Ticks([*warm_up, *first, *second, 0.024, 0.028, 0.021, 0.029])
    found = timed(SMALL, [FP32, BF16], clock)
    assert found == pytest.approx({FP32: 0.020, BF16: 0.022})


def test_a_choice_that_is_much_slower_is_not_timed_again():
    # warm-up, first turn, then the faster one alone
    clock = Ticks([1.0, 1.0, 0.1, 0.9, 0.2, 0.3, 0.4])
    assert timed(SMALL, [FP32, BF16], clock) == pytest.approx({FP32: 0.1, BF16: 0.9})


def test_each_kind_of_data_has_a_choice_for_this_device_and_the_process_keeps_its_threads():
    before = torch.get_num_threads()
    found = fastest(CPU, 2)
    assert torch.get_num_threads() == before
    assert found.keys() == {1, 2, 3}
    assert {compute.device for compute in found.values()} == {CPU}
    assert {compute.threads for compute in found.values()} == {2}
    assert not found[1].channels_last
    assert not found[2].channels_last  # one spatial axis has one format


def test_each_timed_network_is_of_the_kind_that_it_represents():
    for axes, probe in PROBES.items():
        assert len(probe.architecture.input_shape) == axes


def test_a_gpu_computes_in_bfloat16_without_being_timed():
    found = fastest(torch.device("cuda"), 4)
    assert {compute.dtype for compute in found.values()} == {torch.bfloat16}
    assert [axes for axes, compute in found.items() if compute.channels_last] == [3]


def test_a_network_of_images_without_convolutions_computes_like_one_of_vectors():
    assert kind_of(CNN) == 3
    separable = [Input((2, 9)), DepthwiseConv1d(), GlobalAvgPool1d(), Dense(3), Output()]
    assert kind_of(chain(iter(separable))) == 2
    assert kind_of(chain(iter([Input((1, 8, 8)), Flatten(), Dense(3), Output()]))) == 1


def test_small_steps_have_one_thread():
    several = replace(BF16_LAST, threads=4)
    assert several.for_steps_of(SMALL_STEP / 2) == BF16_LAST
    assert several.for_steps_of(SMALL_STEP * 2) == several


@pytest.mark.parametrize(
    ("compute", "name"),
    [
        (FP32, "fp32, 1 thread"),
        (replace(BF16_LAST, threads=2), "bf16 channels-last, 2 threads"),
        (replace(BF16_LAST, device=torch.device("cuda")), "bf16 channels-last, cuda"),
    ],
)
def test_a_short_name_says_how_it_is_computed(compute, name):
    assert str(compute) == name


def trained(compute):
    """A network, its outcome and its validation examples after some epochs."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = rng.normal(size=(600, 1, 8, 8)) + 0.4 * np.sin(np.arange(8) * y[:, None, None, None])
    x = x.astype(np.float32)
    training, validation = (
        Examples(
            x[part], y[part], Normalisation.of(x), CPU, channels_last=compute.channels_last
        )
        for part in (slice(0, 300), slice(300, 600))
    )  # fmt: skip
    network = Network(CNN)
    network.read(initialise(CNN, np.random.default_rng(1)))
    network.to(memory_format=compute.memory_format)
    h = Hyperparameters(epochs=4, batch_size=20, learning_rate=0.02)
    task = "image-classification"
    outcome = train(network, training, validation, h, task=task, seed=0, compute=compute)
    return network, outcome, lambda how: evaluate(network, validation, task, how)


@pytest.mark.parametrize("compute", ALL, ids=str)
def test_a_training_learns_the_same_however_it_is_computed(compute):
    network, outcome, evaluated = trained(compute)
    _, expected, _ = trained(FP32)
    assert outcome.best.metric == pytest.approx(expected.best.metric, abs=0.05)
    assert outcome.history[0].train_loss == pytest.approx(expected.history[0].train_loss, rel=0.02)
    assert evaluated(compute.exact).metric == pytest.approx(outcome.best.metric, abs=0.02)
    assert evaluated(compute.exact).loss == pytest.approx(outcome.best.loss, rel=0.02)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


def test_bfloat16_is_used_for_products():
    """The weights and the logits of a step differ a little."""
    _, exact, _ = trained(FP32)
    _, rounded, _ = trained(BF16)
    assert exact.best.loss != rounded.best.loss


@pytest.mark.parametrize(
    ("layer", "shape"), [(DepthwiseConv2d(), (2, 8, 6, 6)), (DepthwiseConv1d(), (2, 8, 9))]
)
def test_depthwise_convolutions_compute_in_single_precision_and_round(layer, shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    module = MODULES[LAYERS.kind_of(layer)].of(layer, [shape[1:]])
    exact = module(x)
    with BF16.autocast():
        found = module(x)
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, exact.to(torch.bfloat16))  # not those of rounded weights


def test_single_precision_can_be_had_without_a_measurement():
    found = fp32(CPU, 2)
    assert found.keys() == {1, 2, 3}
    assert {str(compute) for compute in found.values()} == {
        "fp32, 2 threads",
        "fp32 channels-last, 2 threads",
    }
