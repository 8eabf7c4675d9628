"""How this process computes: precision, memory format and threads, chosen by measurement.

Weights, the optimiser's state and the statistics of batch norms are always float32:
`torch.autocast` uses bfloat16 for products and activations. A processor without bfloat16 emulates
it slowly, so a training step of a small network is timed, for each kind of data and each choice.
"""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.cost import BACKWARD
from core.graph.initialisation import initialise
from core.layers import (
    AbstractConvolution,
    AbstractDepthwise,
    AbstractLayer,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Input,
    MaxPool1d,
    MaxPool2d,
    Output,
    ReLU,
)
from worker.trainer.networks.network import Network

#: FLOPs of one training step below which a second thread costs more than it saves.
SMALL_STEP = 4e8
IMAGE_AXES = 3  # of one example: channels, height, width
_CLEARLY = 0.9  # of another choice's time: a smaller share is no noise
_HOPELESS = 1.5  # times the least time: a choice that took this long is not timed again
_LEAST_TURNS, _TIMED_SECONDS = 4, 0.06  # for all choices together
_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Compute:
    """The device, and how networks are computed on it."""

    device: torch.device
    dtype: torch.dtype = torch.float32  # of products, under autocast
    channels_last: bool = False  # images only
    threads: int = 1  # of the CPU

    def __str__(self) -> str:
        """A short name for reports, such as "bf16 channels-last, 2 threads"."""
        layout = " channels-last" if self.channels_last else ""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        where = threads if self.device.type == "cpu" else self.device.type
        return f"{_NAMES[self.dtype]}{layout}, {where}"

    def facts(self) -> dict[str, str | int | bool]:
        """All but the device, as JSON values."""
        return {
            "dtype": _NAMES[self.dtype],
            "channels_last": self.channels_last,
            "threads": self.threads,
        }

    @classmethod
    def of_facts(cls, device: torch.device, facts: Mapping[str, Any]) -> Self:
        """The inverse of `facts`."""
        (dtype,) = (dtype for dtype, name in _NAMES.items() if name == facts["dtype"])
        return cls(device, dtype, facts["channels_last"], facts["threads"])

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout of images and of the kernels that they are convolved with."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def exact(self) -> "Compute":
        """The same in float32, as an exported model predicts."""
        return replace(self, dtype=torch.float32)

    def for_steps_of(self, flops: float) -> "Compute":
        """The same with one thread for small steps: several would mostly wait for each other."""
        return replace(self, threads=1) if flops < SMALL_STEP else self

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a network computes in this precision."""
        is_lower = self.dtype is not torch.float32
        return torch.autocast(self.device.type, torch.bfloat16, enabled=is_lower)


def hardware(device: torch.device) -> str:
    """The name of the GPU, or of the processor: equal ones compute equally."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def kind_of(architecture: Architecture) -> int:
    """The axes of the examples of its kind: 1, that of vectors, where it has no convolutions."""
    layers = [node.layer for node in architecture.nodes]
    convolves = any(isinstance(layer, AbstractConvolution | AbstractDepthwise) for layer in layers)
    return len(architecture.input_shape) if convolves else 1


def fastest(device: torch.device, threads: int) -> Mapping[int, Compute]:
    """The fastest choice for networks of images (3), signals (2) and vectors (1): see `kind_of`.

    All have all threads; while it trains, `worker.trainer.training.threads` adapts them. Takes
    about 0.3 s on a CPU. On a GPU nothing is timed.
    """
    if device.type != "cpu":
        return {
            axes: Compute(device, torch.bfloat16, axes == IMAGE_AXES, threads) for axes in PROBES
        }
    with _threads_kept():
        chosen = {axes: _of_one_thread(probe, device) for axes, probe in PROBES.items()}
    return {axes: replace(compute, threads=threads) for axes, compute in chosen.items()}


def fp32(device: torch.device, threads: int) -> Mapping[int, Compute]:
    """Single precision for each kind of network, which is the same in each process."""
    return {axes: Compute(device, torch.float32, axes == IMAGE_AXES, threads) for axes in PROBES}


@dataclass(frozen=True, slots=True)
class Probe:
    """A small network whose training steps are timed."""

    architecture: Architecture
    batch: int

    @property
    def flops(self) -> int:
        """Of one training step."""
        return BACKWARD * self.architecture.flops * self.batch

    def step(self, compute: Compute) -> Callable[[], None]:
        """A function that makes one training step."""
        network = Network(self.architecture)
        network.read(initialise(self.architecture, np.random.default_rng(0)))
        network.to(compute.device, memory_format=compute.memory_format)  # type: ignore[call-overload]
        x = torch.ones((self.batch, *self.architecture.input_shape))
        x = x.contiguous(memory_format=compute.memory_format)
        y = torch.arange(self.batch) % self.architecture.output_shape[0]

        def step() -> None:
            with compute.autocast():
                loss: Tensor = cross_entropy(network(x), y)
            network.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]

        return step


def _of_one_thread(probe: Probe, device: torch.device) -> Compute:
    """The fastest precision and memory format by the processor time of one thread."""
    layouts = (False, True) if len(probe.architecture.input_shape) == IMAGE_AXES else (False,)
    choices = [Compute(device, dtype, last) for dtype, last in product(_NAMES, layouts)]
    return best(timed(probe, choices, time.thread_time))


def timed(probe: Probe, choices: list[Compute], clock: Clock) -> dict[Compute, float]:
    """The least seconds that a step took with each choice; the choices take turns.

    The first turn warms up. A choice that is much slower than another is not timed again.
    """
    steps = {choice: probe.step(choice) for choice in choices}
    for choice, step in steps.items():
        _seconds(choice, step, clock)
    least = {choice: _seconds(choice, step, clock) for choice, step in steps.items()}
    turns, spent = 1, sum(least.values())
    while turns < _LEAST_TURNS or spent < _TIMED_SECONDS:
        for choice, step in steps.items():
            if least[choice] < _HOPELESS * min(least.values()):
                seconds = _seconds(choice, step, clock)
                least[choice], spent = min(least[choice], seconds), spent + seconds
        turns += 1
    return least


def _seconds(compute: Compute, step: Callable[[], None], clock: Clock) -> float:
    torch.set_num_threads(compute.threads)
    began = clock()
    step()
    return clock() - began


def best(seconds: Mapping[Compute, float]) -> Compute:
    """The fastest choice; bfloat16 and contiguous images must be clearly faster to be chosen.

    Small differences are noise, and larger networks gain from channels-last images.
    """

    def handicapped(choice: Compute) -> float:
        handicaps = (choice.dtype is not torch.float32) + (not choice.channels_last)
        return seconds[choice] / _CLEARLY**handicaps

    return min(seconds, key=handicapped)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """After the block the process has as many threads as before."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _block(convolution: type[Conv1d | Conv2d], filters: int) -> tuple[AbstractLayer, ...]:
    return (convolution(filters), BatchNorm(), ReLU())


def _image_network() -> Architecture:
    blocks = (*_block(Conv2d, 32), *_block(Conv2d, 32), MaxPool2d(), *_block(Conv2d, 64))
    return chain(iter([Input((3, 16, 16)), *blocks, GlobalAvgPool2d(), Dense(10), Output()]))


def _signal_network() -> Architecture:
    blocks = (*_block(Conv1d, 32), *_block(Conv1d, 32), MaxPool1d(), *_block(Conv1d, 64))
    return chain(iter([Input((3, 128)), *blocks, GlobalAvgPool1d(), Dense(10), Output()]))


def _vector_network() -> Architecture:
    return chain(iter([Input((64,)), Dense(128), ReLU(), Dense(64), ReLU(), Dense(10), Output()]))


#: By the axes of one example, a network similar to the roots for such examples.
PROBES: Mapping[int, Probe] = {
    3: Probe(_image_network(), batch=32),
    2: Probe(_signal_network(), batch=32),
    1: Probe(_vector_network(), batch=64),
}
