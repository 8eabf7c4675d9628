"""Measures whether morphisms keep the function, how long they take, and what shrinking loses.

`python -m benchmarks.morphism [--chains 300] [--length 12]`: random chains of morphisms from every
kind of start, for images, signals and vectors, with weights moved away from their start as by
training, in double and in single precision. The change is the largest difference of a logit before
and after, divided by the largest logit. By kind it is the change of one morphism, in total that of
a run of morphisms; a shrinking morphism, which does not keep the function exactly, ends one run and
begins the next. Its loss is measured on trained networks (`benchmarks/shrinking.py`). The peer
applies its morphisms to its own networks.
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from benchmarks import peers, reporting, shrinking
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.graph.weights import Weights, check
from core.layers import Array
from core.morphisms import MORPHISMS, AbstractMorphism, TransferRequest, sample
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec

SHAPES = ((1, 8, 8), (3, 9, 7), (2, 20), (6,))  # of the examples: images, signals, vectors
BOUNDS = Bounds(layers=150, width=256)
EXAMPLES = 4
QUICK_CHAINS, QUICK_PEER_CHAINS = 40, 5
PRECISIONS = {"f64": np.float64, "f32": np.float32}


@dataclass(slots=True)
class KindMeasurements:
    """The measurements of one kind of morphism."""

    apply_seconds: list[float] = field(default_factory=list)
    transfer_seconds: list[float] = field(default_factory=list)  # in single precision
    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def summary(self) -> reporting.Result:
        """The median times, and the largest change in each precision."""
        return {
            "count": len(self.apply_seconds),
            "apply_us": 1e6 * float(np.median(self.apply_seconds)),
            "transfer_us": 1e6 * float(np.median(self.transfer_seconds)),
        } | {f"max_relative_change_{name}": max(found) for name, found in self.changes.items()}


@dataclass(slots=True)
class Measurements:
    """The measurements of all chains."""

    kinds: dict[str, KindMeasurements] = field(
        default_factory=lambda: defaultdict(KindMeasurements)
    )
    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of runs
    crashes: int = 0


@dataclass(slots=True)
class Network:
    """A network in one precision, with its logits now and at the start of its run of morphisms."""

    precision: str
    weights: Weights
    inputs: Array
    first: Array  # logits
    last: Array

    def move(
        self,
        before: Architecture,
        morphism: AbstractMorphism,
        after: Architecture,
        rng: np.random.Generator,
        measurements: Measurements,
    ) -> None:
        """Transfer the weights and record the change of the logits."""
        kind = measurements.kinds[str(MORPHISMS.kind_of(morphism))]
        started = time.perf_counter()
        self.weights = morphism.transfer(TransferRequest(before, self.weights, rng))
        if self.precision == "f32":
            kind.transfer_seconds.append(time.perf_counter() - started)
        check(after, self.weights)
        logits = forward(after, self.weights, self.inputs)
        kind.changes[self.precision].append(change(self.last, logits))
        self.last = logits
        if morphism.preserves_function:
            measurements.changes[self.precision].append(change(self.first, logits))
        else:
            self.first = logits


def starts() -> list[Architecture]:
    """All kinds of starts for all shapes."""
    return [
        root
        for shape in SHAPES
        for root in all_roots(
            DatasetSpec(
                input_shape=shape,
                classes=10,
                class_names=tuple("0123456789"),
                train_examples=1000,
                test_examples=200,
                dtype="float32",
            ),
            Bounds(),
        ).values()
    ]


def trained(architecture: Architecture, rng: np.random.Generator) -> Weights:
    """Weights as after some training: no zeros, statistics away from their initial values."""
    return {
        node_id: {name: _moved(name, array, rng) for name, array in arrays.items()}
        for node_id, arrays in initialise(architecture, rng, np.float64).items()
    }


def _moved(name: str, array: Array, rng: np.random.Generator) -> Array:
    if name == "running_var":
        return array * rng.uniform(0.5, 2, array.shape)
    fan_in = max(int(np.prod(array.shape[1:])), 4)
    moved: Array = array + rng.normal(scale=0.5 / np.sqrt(fan_in), size=array.shape)
    return moved


def change(before: Array, after: Array) -> float:
    """The largest difference divided by the largest value."""
    return float(np.abs(after - before).max() / np.abs(before).max())


def follow(
    start: Architecture, length: int, rng: np.random.Generator, measurements: Measurements
) -> None:
    """Apply one chain of morphisms, in double and in single precision."""
    weights, inputs = trained(start, rng), rng.normal(size=(EXAMPLES, *start.input_shape))
    networks = [_network(start, name, weights, inputs) for name in PRECISIONS]
    architecture = start
    for _ in range(length):
        for morphism, _ in sample(architecture, BOUNDS, rng, 1):
            started = time.perf_counter()
            child = morphism.apply(architecture)
            seconds = time.perf_counter() - started
            measurements.kinds[str(MORPHISMS.kind_of(morphism))].apply_seconds.append(seconds)
            for network in networks:
                network.move(architecture, morphism, child, rng, measurements)
            architecture = child


def _network(start: Architecture, name: str, weights: Weights, inputs: Array) -> Network:
    dtype = PRECISIONS[name]
    cast = {
        node_id: {key: array.astype(dtype) for key, array in arrays.items()}
        for node_id, arrays in weights.items()
    }
    logits = forward(start, cast, inputs.astype(dtype))
    return Network(name, cast, inputs.astype(dtype), logits, logits)


def measure(options: argparse.Namespace) -> reporting.Result:
    """The results of Netmorph's chains and of shrinking, then of the peer's chains."""
    chains = min(options.chains, QUICK_CHAINS) if options.quick else options.chains
    roots, measurements = starts(), Measurements()
    for number in range(chains):
        try:
            follow(
                roots[number % len(roots)],
                options.length,
                np.random.default_rng(number),
                measurements,
            )
        except Exception as error:  # any error: the chain is counted as a crash
            print(f"chain {number} failed: {error!r}", file=sys.stderr)
            measurements.crashes += 1
    result: reporting.Result = {
        "chains": chains,
        "crashes": measurements.crashes,
        "max_relative_change_f64": max(measurements.changes["f64"], default=None),
        "max_relative_change_f32": max(measurements.changes["f32"], default=None),
        "kinds": {
            name: kind.summary()
            for name, kind in sorted(measurements.kinds.items())
            if kind.changes
        },
        "shrinking": shrinking.measure(quick=options.quick),
    }
    return result | {
        f"peer_{name}": found for name, found in _peer_results(options, chains).items()
    }


def _peer_results(options: argparse.Namespace, chains: int) -> reporting.Result:
    """The peer's results for its own chains; None for each without peers."""
    answer: peers.Answer = {}
    if not options.no_peers:
        count = min(chains, QUICK_PEER_CHAINS) if options.quick else chains
        question = {"ask": "morphism", "chains": count, "length": options.length, "seed": 0}
        (answer,) = peers.answers_to(
            [question], 20.0 if options.quick else 300.0, quick=options.quick
        )
    names = ("chains", "crashes", "max_relative_change", "median_relative_change")
    return {name: answer.get(name) for name in names}


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--chains", type=int, default=300, help="number of chains")
    parser.add_argument("--length", type=int, default=12, help="morphisms in a chain")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
