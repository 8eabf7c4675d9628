"""Makes a table of trained networks, for evaluating surrogates.

`python -m benchmarks.make_history --dataset digits --networks 400 --out FILE`: each network is a
random chain of morphisms from a random start of any kind, trained from new weights by the worker's
own loop with one recipe; its value is the validation accuracy. Lines are appended as they are made,
so that an interrupted run can be resumed; a network depends only on the seed, its number and the
networks before it. The first `--repeats` networks are trained again with another seed, which
measures the noise. A file whose name ends in .gz is compressed at the end.
"""

import argparse
import gzip
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from api.builtins import BUILTINS
from benchmarks.spaces import SPACES
from core.data import datasets
from core.data.datasets import Arrays
from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.morphisms import sample
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.loop import train

LONGEST = 12  # chain of morphisms
TASK = "image-classification"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the networks of one data set are drawn and trained."""

    training: int  # examples
    validation: int
    epochs: int
    bounds: Bounds
    shrink: int = 1  # side of the squares of pixels that become one pixel
    learning_rate: float = 1e-3


RECIPES = {
    "digits": Recipe(1_000, 437, 6, Bounds(layers=60, width=128, flops=2_000_000)),
    "fashion-mnist": Recipe(3_000, 5_000, 2, Bounds(layers=60, width=128, flops=1_500_000)),
    "small-fashion-mnist": Recipe(3_000, 5_000, 2, Bounds(), 2, 5e-3),
}


class Maker:
    """Draws and trains networks on one data set."""

    def __init__(self, dataset: str, seed: int) -> None:
        self._recipe, self._seed = RECIPES[dataset], seed
        arrays = _shrunk(BUILTINS[dataset.removeprefix("small-")].load(), self._recipe.shrink)
        self._spec = datasets.spec(arrays, flip=False)
        self._training, self._validation = self._split(arrays)

    def _split(self, arrays: Arrays) -> tuple[Examples, Examples]:
        recipe = self._recipe
        order = np.random.default_rng(self._seed).permutation(len(arrays.y_train))
        chosen = order[: recipe.training]
        held_out = order[recipe.training : recipe.training + recipe.validation]
        normalisation = Normalisation.of(arrays.x_train[chosen])

        def examples(indices: NDArray[np.int64]) -> Examples:
            x, y = arrays.x_train[indices], arrays.y_train[indices]
            return Examples(x, y, normalisation, torch.device("cpu"), channels_last=True)

        return examples(chosen), examples(held_out)

    def draw(self, number: int, known: set[str]) -> Architecture:
        """The network with this number, which is not a known one."""
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

    def space(self, name: str) -> list[tuple[Architecture, list[int]]]:
        """The networks of a small space, in random order, with the indices of their neighbours."""
        networks = SPACES[name].networks(self._spec.input_shape, self._spec.classes)
        order = np.random.default_rng(self._seed).permutation(len(networks)).tolist()
        index_of = {number: index for index, number in enumerate(order)}
        return [
            (networks[number][0], sorted(index_of[other] for other in networks[number][1]))
            for number in order
        ]

    def value(self, architecture: Architecture, number: int, repeat: int) -> float:
        """The validation accuracy after the last epoch of a training from new weights."""
        seed = 1_000 * number + repeat
        network = Network(architecture)
        network.read(initialise(architecture, np.random.default_rng([self._seed, seed])))
        outcome = train(
            network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            self._training,
            self._validation,
            Hyperparameters(
                epochs=self._recipe.epochs,
                batch_size=32,
                learning_rate=self._recipe.learning_rate,
            ),
            task=TASK,
            seed=seed,
            compute=Compute(torch.device("cpu"), channels_last=True),
        )
        last = outcome.history[-1].validation_metric
        assert last is not None
        return last


def _shrunk(arrays: Arrays, factor: int) -> Arrays:
    """The images with each square of pixels replaced by its mean."""
    if factor == 1:
        return arrays

    def shrink(x: NDArray[Any]) -> NDArray[Any]:
        n, c, h, w = x.shape
        squares = x.reshape(n, c, h // factor, factor, w // factor, factor)
        return squares.mean(axis=(3, 5)).round().astype(x.dtype)

    return replace(arrays, x_train=shrink(arrays.x_train), x_test=shrink(arrays.x_test))


def make(
    dataset: str, space: str | None, networks: int, repeats: int, seed: int, out: Path
) -> None:
    """Write the table; an existing file is continued."""
    maker = Maker(dataset, seed)
    lines = out.with_suffix("") if out.suffix == ".gz" else out
    done = _resume(lines, maker, repeats)
    known = {Architecture.from_json(line["architecture"]).fingerprint for line in done}
    listed = None if space is None else maker.space(space)
    networks = networks if listed is None else len(listed)
    with lines.open("a") as file:
        for number in range(len(done), networks):
            line: dict[str, Any] = {}
            if listed is None:
                architecture = maker.draw(number, known)
            else:
                architecture, neighbours = listed[number]
                line["neighbours"] = [index + 1 for index in neighbours]
            known.add(architecture.fingerprint)
            started = time.perf_counter()
            line["architecture"] = architecture.to_json()
            line["value"] = maker.value(architecture, number, 0)
            line["seconds"] = round(time.perf_counter() - started, 2)
            if number < repeats:
                line["repeats"] = [maker.value(architecture, number, 1)]
            file.write(_text(line))
            file.flush()
            print(f"{number + 1} of {networks}: {line['value']:.4f}", flush=True)
    if lines != out:
        out.write_bytes(gzip.compress(lines.read_bytes(), mtime=0))


def _resume(lines: Path, maker: Maker, repeats: int) -> list[dict[str, Any]]:
    """The existing lines without a cut last one, after their missing repeats are added."""
    if not lines.exists():
        return []
    texts = lines.read_text().splitlines(keepends=True)
    done = [json.loads(text) for text in texts if text[-1] == "\n"]
    for number, line in enumerate(done[:repeats]):
        if not line.get("repeats"):
            architecture = Architecture.from_json(line["architecture"])
            line["repeats"] = [maker.value(architecture, number, 1)]
    lines.write_text("".join(_text(line) for line in done))
    return done


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":")) + "\n"


def main() -> None:
    """Parse the options and make one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", choices=sorted(RECIPES), required=True)
    parser.add_argument(
        "--space",
        choices=sorted(SPACES),
        help="train all networks of a space",
    )
    parser.add_argument("--networks", type=int, default=400, help="number of networks")
    parser.add_argument("--repeats", type=int, default=50, help="networks to train twice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    make(
        options.dataset,
        options.space,
        options.networks,
        options.repeats,
        options.seed,
        options.out,
    )


if __name__ == "__main__":
    main()
