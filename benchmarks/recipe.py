"""Measures which ingredients of the training recipe help: each is changed alone, in equal time.

`python -m benchmarks.recipe [--setting NAME] [--arm NAME] [--seeds 5] [--file FILE]
[--markdown FILE]`: every arm is a change of the base recipe, trained with the same seeds as the
base. Runs are appended to a file of JSON lines; runs in it are not repeated. Times are CPU seconds
of one core, so that other processes have no effect.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from api.builtins import BUILTINS
from benchmarks import reporting
from benchmarks.recipe_arms import (
    ARMS,
    BASE,
    BASE_CONSTANTS,
    RANKED,
    SETTINGS,
    Arm,
    Changes,
    Setting,
)
from benchmarks.recipe_report import page_with, summary
from benchmarks.recipe_starts import initial_weights
from core.data.datasets import Arrays, spec
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.root_kinds import BUILDERS
from core.layers import BatchNorm, Conv2d, Dense, GlobalAvgPool2d, Input, MaxPool2d, Output, ReLU
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.loop import train

FILE = Path(__file__).parent / "data" / "recipe.jsonl"
ALL = SETTINGS | RANKED
TASK, CPU = "image-classification", torch.device("cpu")
COMPUTE = Compute(CPU, torch.bfloat16, channels_last=True)
SUBSET_SEED = 0
MOST_EPOCHS = 10_000  # trainings end by seconds
QUICK, QUICK_SECONDS = "digits", 1.0
QUICK_ARMS = ("base", "constant rate", "3 pieces, then fall over all of the last 0.4")
WHITENING_IMAGES = 500

Row = dict[str, Any]


def vgg(shape: tuple[int, ...], classes: int, width: int) -> Architecture:
    """Two convolutions at each of three resolutions, then the mean over positions."""
    layers = [Input(shape)]
    for stage in range(3):
        layers += [MaxPool2d(2, 2)] if stage else []
        for _ in range(2):
            layers += [Conv2d(width * 2**stage), BatchNorm(), ReLU()]
    return chain(iter([*layers, GlobalAvgPool2d(), Dense(classes), Output()]))


def network(arrays: Arrays, setting: Setting) -> Architecture:
    """The network of the setting for these data."""
    if not setting.network:
        return vgg(arrays.x_train.shape[1:], len(arrays.class_names), setting.width)
    return BUILDERS[setting.network](spec(arrays, flip=True), 1.0)


def subset(arrays: Arrays, train_examples: int | None, test_examples: int | None) -> Arrays:
    """Some of the examples, the same in every run."""
    rng = np.random.default_rng(SUBSET_SEED)
    chosen = rng.permutation(len(arrays.y_train))[:train_examples]
    tested = rng.permutation(len(arrays.y_test))[:test_examples]
    return Arrays(
        arrays.x_train[chosen], arrays.y_train[chosen],
        arrays.x_test[tested], arrays.y_test[tested], arrays.class_names,
    )  # fmt: skip


@contextmanager
def constants_set(values: Mapping[str, Any]) -> Iterator[None]:
    """Replace constants of modules, by "module.NAME", within the context."""
    constants = {
        name: (import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in values
    }
    old = {name: getattr(module, key) for name, (module, key) in constants.items()}
    for name, (module, key) in constants.items():
        setattr(module, key, values[name])
    try:
        yield
    finally:
        for name, (module, key) in constants.items():
            setattr(module, key, old[name])


class Experiment:
    """One setting: its data on the device, and how an arm is trained in it."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.setting, self.seconds = name, ALL[name], seconds
        builtin = BUILTINS[self.setting.dataset]
        s = self.setting
        self.arrays = subset(builtin.load(), s.train_examples, s.test_examples)
        self.normalisation = Normalisation.of(self.arrays.x_train)
        self.architecture = network(self.arrays, s)
        a = self.arrays
        self.test = Examples(a.x_test, a.y_test, self.normalisation, CPU, channels_last=True)

    def run(self, arm: Arm, seed: int) -> Row:
        """Train the arm's network and return its test error and its costs."""
        with constants_set({**BASE_CONSTANTS, **arm.constants}):
            return self._run(arm, seed)

    def _run(self, arm: Arm, seed: int) -> Row:
        network = self._network(arm, seed)
        steps, epochs, seconds = 0, 0, 0.0
        watched: dict[float, WeightAverage] = {}
        for number, (share, changes) in enumerate(arm.pieces):
            if number:
                _shrink(network, arm.shrunk)
            h = self._hyperparameters(arm, share, changes)
            watched = {each: WeightAverage(network, each) for each in arm.watched}
            outcome = train(
                network, self._training(h), None, h,
                task=TASK, seed=100 * number + seed, compute=COMPUTE, clock=time.process_time,
                on_step=lambda _, averages=watched: _update(averages.values()),
            )  # fmt: skip
            steps, epochs = steps + outcome.steps, epochs + outcome.epochs
            seconds += outcome.seconds
        found = evaluate(network, self.test, TASK, COMPUTE)
        row = {
            "setting": self.name, "arm": arm.name, "seed": seed, "error": 100 * (1 - found.metric),
            "loss": found.loss, "steps": steps, "epochs": epochs, "seconds": round(seconds, 2),
        }  # fmt: skip
        if watched:
            row["watched"] = {str(share): self._error(one) for share, one in watched.items()}
        return row

    def _network(self, arm: Arm, seed: int) -> Network:
        weights = initialise(self.architecture, np.random.default_rng(seed))
        some = self._training(self._hyperparameters(arm, 1.0, {})).some(WHITENING_IMAGES)
        network = Network(self.architecture)
        network.read(initial_weights(arm.start, self.architecture, weights, some))
        return network.to(memory_format=torch.channels_last)

    def _hyperparameters(self, arm: Arm, share: float, changes: Changes) -> Hyperparameters:
        """Those of one piece of the arm's training."""
        seconds, batch = share * self.seconds, int(arm.batch * self.setting.batch_size)
        chosen = {**BASE, "batch_size": batch, **arm.changes, **changes}
        return Hyperparameters(epochs=MOST_EPOCHS, max_seconds=seconds, **chosen)

    def _training(self, h: Hyperparameters) -> Examples:
        return Examples(
            self.arrays.x_train, self.arrays.y_train, self.normalisation, CPU,
            augmentation=h.augmentation, erasing=h.erasing, channels_last=True,
        )  # fmt: skip

    def _error(self, average: WeightAverage) -> float:
        average.write()
        return 100 * (1 - evaluate(average.network, self.test, TASK, COMPUTE).metric)


def _update(averages: Iterable[WeightAverage]) -> None:
    for average in averages:
        average.update()


@torch.no_grad()
def _shrink(network: Network, factor: float) -> None:
    """Scale kernels and matrices (Ash & Adams 2020, arXiv:1910.08475, without their noise)."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.mul_(factor)


def rows_of(file: Path) -> list[Row]:
    """The runs in the file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def missing(
    rows: list[Row], settings: list[str], arms: list[str], seeds: int
) -> list[tuple[str, str, int]]:
    """The missing runs, seed by seed, so that an interrupted benchmark has complete pairs."""
    done = {(row["setting"], row["arm"], row["seed"]) for row in rows}
    requested = [(s, a, seed) for seed in range(seeds) for s in settings for a in arms]
    return [each for each in requested if each not in done]


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out the missing runs and compare every arm with the base."""
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)])  # the first optimiser of a process takes a second
    if options.quick:
        return summary([Experiment(QUICK, QUICK_SECONDS).run(ARMS[arm], 0) for arm in QUICK_ARMS])
    experiments: dict[str, Experiment] = {}
    rows = rows_of(options.file)
    for setting, arm, seed in missing(rows, options.setting, options.arm, options.seeds):
        if setting not in experiments:
            experiments[setting] = Experiment(setting, ALL[setting].seconds)
        rows.append(experiments[setting].run(ARMS[arm], seed))
        with options.file.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    if options.markdown:
        options.markdown.write_text(page_with(options.markdown.read_text(), rows))
    return summary(rows)


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument(
        "--setting", action="append", choices=ALL, help="may be given more than once"
    )
    parser.add_argument("--arm", action="append", choices=ARMS, help="may be given more than once")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--file", type=Path, default=FILE, help="the file of runs")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page")
    options = parser.parse_args()
    options.setting = options.setting or list(SETTINGS)
    options.arm = options.arm or list(ARMS)
    reporting.run(measure, options)


if __name__ == "__main__":
    main()
