"""Measures the examples per second of the training loop, beside hand-written loops.

`python -m benchmarks.trainer [--steps 30] [--batch 64] [--threads 1]`: a VGG-like network of
468,766 parameters on images of 28 × 28. `samples_per_second` is the speed of `train` in
`worker.trainer.training.loop` with shifted and mirrored images, in the precision that a trainer
uses on this machine. `bare` uses the same precision, has its batches ready on the device and only
takes steps, so that no trainer can be faster. `bare_fp32` is that loop in float32 and torch's
default memory format; `loader` is the loop of torch's tutorials in our precision. The loops take
turns, and each starts from the same weights. On a CPU, times are CPU seconds, so that other
processes have little effect; ratios are medians of the ratios within a turn. `first_step_seconds`
is the time from an order to the end of its first step, for a small network on 60,000 images, in a
process that has trained before.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import reporting
from core.data.datasets import Arrays, encode, spec
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.roots import roots
from core.layers import (
    AbstractLayer,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
)
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.storage import Storage
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.networks.compute import IMAGE_AXES, Compute, fastest
from worker.trainer.networks.network import Network
from worker.trainer.run_order import run_order
from worker.trainer.training.loop import train

SHAPE, CLASSES = (1, 28, 28), 10
FILTERS, UNITS = (32, 64, 128), 156
TASK = "image-classification"
ROUNDS, QUICK_ROUNDS, QUICK_STEPS = 7, 2, 2
ORDERS, ORDER_EXAMPLES = 4, 60_000


def vgg() -> Architecture:
    """Two convolutions at each of three resolutions, and a hidden dense layer."""

    def layers() -> Iterator[AbstractLayer]:
        yield Input(SHAPE)
        for filters in FILTERS:
            for _ in range(2):
                yield from (Conv2d(filters), BatchNorm(), ReLU())
            yield MaxPool2d()
        yield from (Flatten(), Dense(UNITS), ReLU(), Dense(CLASSES), Output())

    return chain(layers())


class Loops:
    """The loops over the same examples, from the same weights."""

    def __init__(self, compute: Compute, steps: int, batch: int) -> None:
        rng = np.random.default_rng(0)
        self.compute, self.steps, self.batch = compute, steps, batch
        self.plain = Compute(compute.device, threads=compute.threads)
        self.architecture = vgg()
        self.x = rng.integers(0, 256, (steps * batch, *SHAPE), dtype=np.uint8)
        self.y = rng.integers(0, CLASSES, steps * batch)
        self.weights = initialise(self.architecture, rng)

    def network(self, compute: Compute) -> Network:
        """A new network in the memory format of the computation."""
        network = Network(self.architecture)
        network.read(self.weights)
        network.to(compute.device, memory_format=compute.memory_format)  # type: ignore[call-overload]
        return network.train()

    def ours(self) -> float:
        """Examples per second of Netmorph's `train` in one epoch without validation."""
        compute, normalisation = self.compute, Normalisation.of(self.x)
        examples = Examples(
            self.x,
            self.y,
            normalisation,
            compute.device,
            augmentation="shift-flip",
            channels_last=compute.channels_last,
        )
        chosen = Hyperparameters(epochs=1, batch_size=self.batch)
        network = self.network(compute)

        def work() -> None:
            train(network, examples, None, chosen, task=TASK, seed=0, compute=compute)

        return self._speed(work)

    def loader(self) -> float:
        """Examples per second of a loop over a DataLoader."""
        device = self.compute.device
        data = TensorDataset(torch.from_numpy(self.x).float() / 255, torch.from_numpy(self.y))
        loader = DataLoader(data, self.batch, shuffle=True, pin_memory=device.type == "cuda")
        moved = ((a.to(device), b.to(device)) for a, b in loader)
        network = self.network(self.compute)
        return self._speed(lambda: self._train_plainly(network, moved, self.compute))

    def bare(self, compute: Compute) -> float:
        """Examples per second of a loop over batches that are ready on the device."""
        x = (torch.from_numpy(self.x).float() / 255).to(compute.device)
        y = torch.from_numpy(self.y).to(compute.device)
        x = x.contiguous(memory_format=compute.memory_format)
        network = self.network(compute)
        return self._speed(lambda: self._train_plainly(network, self._batches(x, y), compute))

    def _batches(self, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(x), self.batch):
            yield x[start : start + self.batch], y[start : start + self.batch]

    def _train_plainly(
        self, network: Network, batches: Iterable[tuple[Tensor, Tensor]], compute: Compute
    ) -> None:
        optimiser = torch.optim.AdamW(network.parameters(), fused=True)
        for x, y in batches:
            with compute.autocast():
                loss = cross_entropy(network(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    def _speed(self, work: Callable[[], object]) -> float:
        is_cpu = self.compute.device.type == "cpu"
        clock = time.process_time if is_cpu else time.perf_counter
        self._wait()
        started = clock()
        work()
        self._wait()
        return self.steps * self.batch / (clock() - started)

    def _wait(self) -> None:
        if self.compute.device.type == "cuda":
            torch.cuda.synchronize()


def first_step(device: torch.device, threads: int, examples: int) -> float:
    """Median seconds from an order to the end of its first step, without the first order."""
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder).as_uri())
        environment = TrainingEnvironment(
            storage=storage,
            cache=Path(folder) / "cache",
            device=device,
            threads=threads,
            computes=fastest(device, threads),
        )
        order = _order(storage, examples)
        found = [_until_first_step(order, environment) for _ in range(ORDERS)]
    return statistics.median(found[1:])


def _order(storage: Storage, examples: int) -> TrainOrder:
    """An order for the default root, with the smallest possible test split."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (examples, *SHAPE), dtype=np.uint8)
    y = np.arange(examples) % CLASSES
    arrays = Arrays(x, y, x[:CLASSES], y[:CLASSES], tuple("0123456789"))
    described = spec(arrays, flip=True)
    return TrainOrder(
        search_id=UUID(int=1),
        trial_id=UUID(int=2),
        number=0,
        attempt=1,
        token=UUID(int=3),
        lease_seconds=30,
        task=TASK,
        seed=0,
        architecture=roots(described, Bounds())[0].to_json(),
        dataset=storage.put("datasets", encode(arrays), "safetensors"),
        dataset_name="noise",
        dataset_spec=described,
        hyperparameters=Hyperparameters(epochs=1, augmentation="shift-flip"),
    )


def _until_first_step(order: TrainOrder, environment: TrainingEnvironment) -> float:
    """Seconds of one order, which is stopped after its first step."""
    clock = time.process_time if environment.device.type == "cpu" else time.perf_counter
    ended: list[float] = []
    callbacks = TrainingCallbacks(
        should_stop=lambda: bool(ended),
        on_step=lambda step: ended.append(clock()),
        on_epoch=lambda epoch: None,
    )
    began = clock()
    run_order(order, environment, callbacks)
    return ended[0] - began


def measure(options: argparse.Namespace) -> reporting.Result:
    """The medians of some rounds, in each of which every loop runs once."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compute = fastest(device, options.threads)[IMAGE_AXES]
    torch.set_num_threads(options.threads)
    loops = Loops(compute, QUICK_STEPS if options.quick else options.steps, options.batch)
    turns: dict[str, Callable[[], float]] = {"ours": loops.ours}
    if not options.no_peers:
        turns |= {
            "bare": lambda: loops.bare(compute),
            "bare_fp32": lambda: loops.bare(loops.plain),
            "loader": loops.loader,
        }
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    found = [{name: turn() for name, turn in turns.items()} for _ in range(rounds)]
    found = found[1:]  # the first is a warm-up

    def ratio(peer: str) -> float | None:
        is_measured = peer in turns
        return statistics.median(r["ours"] / r[peer] for r in found) if is_measured else None

    def speed(name: str) -> float | None:
        return statistics.median(r[name] for r in found) if name in turns else None

    return {
        "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(),
        "precision": str(compute),
        "parameters": loops.architecture.parameters,
        "samples_per_second": speed("ours"),
        "bare_samples_per_second": speed("bare"),
        "ratio": ratio("bare"),
        "bare_fp32_samples_per_second": speed("bare_fp32"),
        "ratio_fp32": ratio("bare_fp32"),
        "loader_samples_per_second": speed("loader"),
        "ratio_loader": ratio("loader"),
        "first_step_seconds": first_step(
            device, options.threads, 1_000 if options.quick else ORDER_EXAMPLES
        ),
    }


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--steps", type=int, default=30, help="of each loop")
    parser.add_argument("--batch", type=int, default=64, help="examples in a batch")
    parser.add_argument("--threads", type=int, default=1, help="of each loop")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
