"""How many examples a second the training loop trains on, beside two loops by hand.

`python -m benchmarks.trainer [--steps 200] [--batch 64] [--threads 1]`: a start for images of
28 × 28 on the same examples. `loader` is the loop of torch's tutorials: a DataLoader, AdamW, one
step a batch. `bare` has its batches ready on the device and does nothing but steps, so that no
trainer can be quicker. All three take turns. On a GPU all compute in bfloat16 where they may.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import reporting
from core.architecture import Architecture
from core.contracts import Bounds, DatasetSpec, Hyperparameters
from core.roots import roots
from core.weights import initialise
from worker.data import Examples, Normalisation
from worker.network import Network
from worker.training import train

SHAPE, CLASSES = (1, 28, 28), 10
SPEC = DatasetSpec(
    input_shape=SHAPE,
    classes=CLASSES,
    class_names=tuple("0123456789"),
    train_examples=60_000,
    test_examples=10_000,
    dtype="uint8",
    flip=True,
)
ROUNDS, QUICK_STEPS = 5, 20


class Loops:
    """The three loops over the same examples, from the same weights."""

    def __init__(self, architecture: Architecture, steps: int, batch: int) -> None:
        rng = np.random.default_rng(0)
        self.architecture, self.steps, self.batch = architecture, steps, batch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.x = rng.integers(0, 256, (steps * batch, *SHAPE), dtype=np.uint8)
        self.y = rng.integers(0, CLASSES, steps * batch)
        self.weights = initialise(architecture, rng)

    def network(self) -> Network:
        """A fresh network, laid out as the trainer does."""
        network = Network(self.architecture)
        network.read(self.weights)
        return network.to(self.device, memory_format=torch.channels_last).train()

    def ours(self, augmentation: str) -> float:
        """Examples a second of `worker.training.train`, one epoch without validation."""
        normalisation = Normalisation.of(self.x)
        examples = Examples(
            self.x,
            self.y,
            normalisation,
            self.device,
            augmentation=augmentation,
            channels_last=True,
        )
        chosen = Hyperparameters(epochs=1, batch_size=self.batch)
        network = self.network()
        return self._speed(
            lambda: train(
                network,
                examples,
                None,
                chosen,
                task="image-classification",
                seed=0,
                device=self.device,
            )
        )

    def loader(self) -> float:
        """Examples a second of a DataLoader's batches."""
        x = torch.from_numpy(self.x).float() / 255
        data = TensorDataset(x, torch.from_numpy(self.y))
        loader = DataLoader(data, self.batch, shuffle=True, pin_memory=self.device.type == "cuda")
        moved = ((a.to(self.device), b.to(self.device)) for a, b in loader)
        network = self.network()
        return self._speed(lambda: self._by_hand(network, moved))

    def bare(self) -> float:
        """Examples a second where every batch is ready."""
        x = (torch.from_numpy(self.x).float() / 255).to(self.device)
        y = torch.from_numpy(self.y).to(self.device)
        x = x.contiguous(memory_format=torch.channels_last)
        network = self.network()
        return self._speed(lambda: self._by_hand(network, self._batches(x, y)))

    def _batches(self, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(x), self.batch):
            yield x[start : start + self.batch], y[start : start + self.batch]

    def _by_hand(self, network: Network, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        optimiser = torch.optim.AdamW(network.parameters(), fused=True)
        for x, y in batches:
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
            ):
                loss = cross_entropy(network(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    def _speed(self, work: Callable[[], object]) -> float:
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return self.steps * self.batch / (time.perf_counter() - started)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def measure(options: argparse.Namespace) -> reporting.Result:
    """The medians of some rounds, in each of which every loop has its turn."""
    torch.set_num_threads(options.threads)
    architecture = roots(SPEC, Bounds())[0]
    steps = QUICK_STEPS if options.quick else options.steps
    loops = Loops(architecture, steps, options.batch)
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS + 1):  # the first warms up
        turns: list[tuple[str, Callable[[], float]]] = [
            ("ours", lambda: loops.ours("none")),
            ("ours_augmented", lambda: loops.ours("shift-flip")),
        ]
        if not options.no_peers:
            turns += [("loader", loops.loader), ("bare", loops.bare)]
        for name, turn in turns:
            found.setdefault(name, []).append(turn())
    speeds = {name: statistics.median(values[1:]) for name, values in found.items()}
    is_gpu = loops.device.type == "cuda"
    result: reporting.Result = {
        "device": torch.cuda.get_device_name() if is_gpu else "cpu",
        "threads": options.threads,
        "parameters": architecture.parameters,
        "samples_per_second": speeds["ours"],
        "samples_per_second_augmented": speeds["ours_augmented"],
    }
    for peer in ("loader", "bare"):
        result[f"peer_{peer}_samples_per_second"] = speeds.get(peer)
        result[f"ratio_to_{peer}"] = speeds["ours"] / speeds[peer] if peer in speeds else None
    return result


def main() -> None:
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
