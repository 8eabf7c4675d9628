"""Makes a table of really trained networks, to judge surrogates on.

`python -m benchmarks.make_history --dataset digits --networks 400 --out FILE`: each network is a
random chain of morphisms from a random start of all kinds, trained from fresh weights by the
worker's own loop with one recipe; its value is the validation accuracy. Lines are appended as they
are made, so that a run that was interrupted goes on where it was; a network depends on the seed,
its number and the networks before it alone. With `--repeats` the first so many are trained again
with another seed, which tells the noise. A file name that ends in .gz is compressed at the end.
"""

import argparse
import gzip
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from api.builtins import BUILTINS
from benchmarks import tables
from core import datasets
from core.architecture import Architecture
from core.bounds import fits
from core.contracts import Bounds, Hyperparameters
from core.datasets import Arrays
from core.morphisms import sample
from core.roots import all_roots
from core.weights import initialise
from worker.data import Examples, Normalisation
from worker.network import Network
from worker.training import train

LONGEST = 12  # chain of morphisms
TASK = "image-classification"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the networks of one data set are drawn and trained."""

    training: int  # examples
    validation: int
    epochs: int
    bounds: Bounds


RECIPES = {
    "digits": Recipe(1_000, 437, 6, Bounds(layers=60, width=128, flops=2_000_000)),
    "fashion-mnist": Recipe(3_000, 5_000, 2, Bounds(layers=60, width=128, flops=1_500_000)),
}


class Maker:
    """Draws and trains networks on one data set."""

    def __init__(self, dataset: str, seed: int) -> None:
        self._recipe, self._seed = RECIPES[dataset], seed
        arrays = BUILTINS[dataset].load()
        self._spec = datasets.spec(arrays, flip=False)
        self._training, self._validation = self._split(arrays)

    def _split(self, arrays: Arrays) -> tuple[Examples, Examples]:
        recipe = self._recipe
        order = np.random.default_rng(self._seed).permutation(len(arrays.y_train))
        chosen = order[: recipe.training]
        held = order[recipe.training : recipe.training + recipe.validation]
        normalisation = Normalisation.of(arrays.x_train[chosen])

        def examples(places: NDArray[np.int64]) -> Examples:
            x, y = arrays.x_train[places], arrays.y_train[places]
            return Examples(x, y, normalisation, torch.device("cpu"), channels_last=True)

        return examples(chosen), examples(held)

    def draw(self, number: int, known: set[str]) -> Architecture:
        """The network of that number, none of those known."""
        bounds = self._recipe.bounds
        rng = np.random.default_rng([self._seed, number])
        starts = list(all_roots(self._spec, bounds).values())
        while True:
            architecture = starts[rng.integers(len(starts))]
            for _ in range(rng.integers(LONGEST + 1)):
                for _, child in sample(architecture, bounds, rng, 1):
                    architecture = child
            if architecture.fingerprint not in known and fits(architecture, bounds):
                return architecture

    def value(self, architecture: Architecture, number: int, repeat: int) -> float:
        """Its validation accuracy after the last epoch of a training from fresh weights."""
        seed = 1_000 * number + repeat
        network = Network(architecture)
        network.read(initialise(architecture, np.random.default_rng([self._seed, seed])))
        outcome = train(
            network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            self._training,
            self._validation,
            Hyperparameters(epochs=self._recipe.epochs, batch_size=32),
            task=TASK,
            seed=seed,
            device=torch.device("cpu"),
        )
        last = outcome.history[-1].validation_metric
        assert last is not None
        return last


def make(dataset: str, networks: int, repeats: int, seed: int, out: Path) -> None:
    """Write the table, going on with what is there already."""
    lines = out.with_suffix("") if out.suffix == ".gz" else out
    known: set[str] = set()
    if lines.exists():
        complete = [
            text for text in lines.read_text().splitlines(keepends=True) if text[-1] == "\n"
        ]
        lines.write_text("".join(complete))  # a line that was cut short is made again
        if complete:
            known = {entry.architecture.fingerprint for entry in tables.read(lines)}
    maker = Maker(dataset, seed)
    with lines.open("a") as file:
        for number in range(len(known), networks):
            architecture = maker.draw(number, known)
            known.add(architecture.fingerprint)
            started = time.perf_counter()
            line = {
                "architecture": architecture.to_json(),
                "value": maker.value(architecture, number, 0),
                "seconds": round(time.perf_counter() - started, 2),
            }
            if number < repeats:
                line["repeats"] = [maker.value(architecture, number, 1)]
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            file.flush()
            print(f"{number + 1} of {networks}: {line['value']:.4f}", flush=True)
    if lines != out:
        out.write_bytes(gzip.compress(lines.read_bytes(), mtime=0))


def main() -> None:
    """Make one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", choices=sorted(RECIPES), required=True)
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    make(options.dataset, options.networks, options.repeats, options.seed, options.out)


if __name__ == "__main__":
    main()
