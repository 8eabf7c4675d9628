"""Whether morphisms keep the function, how long they take, and what those that shrink leave.

`python -m benchmarks.morphism [--chains 300] [--length 12]`: random chains of morphisms from every
kind of start, for images, signals and vectors, whose weights moved as by training, in double and
in single precision. The change is the largest difference of two logits before and after, over the
largest logit: by kind that of one morphism, in all that of a run of morphisms; one that shrinks,
which claims no more than to lose little, ends one run and begins another. What it loses is measured
on trained networks (`benchmarks/shrinking.py`). The peer morphs networks of its own.
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
from core.morphisms import MORPHISMS, AbstractMorphism, sample
from core.protocol.contracts import Bounds, DatasetSpec

SHAPES = ((1, 8, 8), (3, 9, 7), (2, 20), (6,))  # of the examples: images, signals, vectors
BOUNDS = Bounds(layers=150, width=256)
EXAMPLES = 4
QUICK_CHAINS, QUICK_PEER_CHAINS = 40, 5
PRECISIONS = {"f64": np.float64, "f32": np.float32}


@dataclass(slots=True)
class Kind:
    """What was seen of one kind of morphism."""

    apply_seconds: list[float] = field(default_factory=list)
    transfer_seconds: list[float] = field(default_factory=list)  # in single precision
    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def summary(self) -> reporting.Result:
        """The medians, and the largest change in each precision."""
        return {
            "count": len(self.apply_seconds),
            "apply_us": 1e6 * float(np.median(self.apply_seconds)),
            "transfer_us": 1e6 * float(np.median(self.transfer_seconds)),
        } | {f"max_relative_change_{name}": max(found) for name, found in self.changes.items()}


@dataclass(slots=True)
class Tally:
    """What was seen of all chains."""

    kinds: dict[str, Kind] = field(default_factory=lambda: defaultdict(Kind))
    changes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of runs
    crashes: int = 0


@dataclass(slots=True)
class Network:
    """A network in one precision, as it is and as it was when its run of morphisms began."""

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
        tally: Tally,
    ) -> None:
        """Carry the weights over, and keep what that changed."""
        kind = tally.kinds[str(MORPHISMS.kind_of(morphism))]
        started = time.perf_counter()
        self.weights = morphism.transfer(before, self.weights, rng)
        if self.precision == "f32":
            kind.transfer_seconds.append(time.perf_counter() - started)
        check(after, self.weights)
        logits = forward(after, self.weights, self.inputs)
        kind.changes[self.precision].append(change(self.last, logits))
        self.last = logits
        if morphism.preserves_function:
            tally.changes[self.precision].append(change(self.first, logits))
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
    """Weights as after some training: nothing zero, statistics that say something."""
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
    """The largest difference over the largest value."""
    return float(np.abs(after - before).max() / np.abs(before).max())


def follow(start: Architecture, length: int, rng: np.random.Generator, tally: Tally) -> None:
    """One chain, in double and in single precision."""
    weights, inputs = trained(start, rng), rng.normal(size=(EXAMPLES, *start.input_shape))
    networks = [_begun(start, name, weights, inputs) for name in PRECISIONS]
    architecture = start
    for _ in range(length):
        for morphism, _ in sample(architecture, BOUNDS, rng, 1):
            started = time.perf_counter()
            child = morphism.apply(architecture)
            seconds = time.perf_counter() - started
            tally.kinds[str(MORPHISMS.kind_of(morphism))].apply_seconds.append(seconds)
            for network in networks:
                network.move(architecture, morphism, child, rng, tally)
            architecture = child


def _begun(start: Architecture, name: str, weights: Weights, inputs: Array) -> Network:
    dtype = PRECISIONS[name]
    cast = {
        node_id: {key: array.astype(dtype) for key, array in arrays.items()}
        for node_id, arrays in weights.items()
    }
    logits = forward(start, cast, inputs.astype(dtype))
    return Network(name, cast, inputs.astype(dtype), logits, logits)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Netmorph's chains and what shrinking leaves, then the peer's chains."""
    chains = min(options.chains, QUICK_CHAINS) if options.quick else options.chains
    roots, tally = starts(), Tally()
    for number in range(chains):
        try:
            follow(roots[number % len(roots)], options.length, np.random.default_rng(number), tally)
        except Exception as error:  # whatever it is: the chain is lost
            print(f"chain {number} failed: {error!r}", file=sys.stderr)
            tally.crashes += 1
    result: reporting.Result = {
        "chains": chains,
        "crashes": tally.crashes,
        "max_relative_change_f64": max(tally.changes["f64"], default=None),
        "max_relative_change_f32": max(tally.changes["f32"], default=None),
        "kinds": {
            name: kind.summary() for name, kind in sorted(tally.kinds.items()) if kind.changes
        },
        "shrinking": shrinking.measure(quick=options.quick),
    }
    return result | {f"peer_{name}": found for name, found in _of_peer(options, chains).items()}


def _of_peer(options: argparse.Namespace, chains: int) -> reporting.Result:
    """What the peer says of chains of its own; nothing where it is not asked."""
    answer: peers.Answer = {}
    if not options.no_peers:
        asked = min(chains, QUICK_PEER_CHAINS) if options.quick else chains
        question = {"ask": "morphism", "chains": asked, "length": options.length, "seed": 0}
        (answer,) = peers.answers_to([question], 20.0 if options.quick else 300.0, quick=options.quick)
    names = ("chains", "crashes", "max_relative_change", "median_relative_change")
    return {name: answer.get(name) for name in names}


def main() -> None:
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--chains", type=int, default=300)
    parser.add_argument("--length", type=int, default=12, help="morphisms in a chain")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
