"""Whether morphisms keep the function, and how long they take.

`python -m benchmarks.morphism [--chains 300] [--length 4]`: random chains of morphisms on networks
of a history, whose weights moved as by training. A chain's change is the largest difference of two
logits before and after, over the largest logit; a morphism that shrinks, which claims no more than
to lose little, ends one chain and begins another. The peer morphs networks of its own.
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from benchmarks import peers, reporting
from benchmarks.histories import BOUNDS, history
from core.architecture import Architecture
from core.forward import forward
from core.layers import Array
from core.morphisms import MORPHISMS, AbstractMorphism, sample
from core.weights import Weights, initialise

EXAMPLES = 4
STARTS = 50  # networks of the history that chains start from
QUICK_CHAINS = 40


@dataclass(slots=True)
class Kind:
    """What was seen of one kind of morphism."""

    apply_seconds: list[float] = field(default_factory=list)
    transfer_seconds: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)  # of float64, one morphism at a time

    def summary(self) -> reporting.Result:
        """The medians, and the largest change."""
        return {
            "count": len(self.changes),
            "apply_us": 1e6 * float(np.median(self.apply_seconds)),
            "transfer_us": 1e6 * float(np.median(self.transfer_seconds)),
            "max_relative_change_f64": max(self.changes),
        }


@dataclass(slots=True)
class Tally:
    """What was seen of all chains."""

    kinds: dict[str, Kind] = field(default_factory=lambda: defaultdict(Kind))
    changes: dict[str, list[float]] = field(default_factory=lambda: {"f64": [], "f32": []})
    crashes: int = 0

    def note(self, first: Array, last: Array, single_first: Array, single_last: Array) -> None:
        """Keep what changed over a run of morphisms that claim to keep the function."""
        self.changes["f64"].append(change(first, last))
        self.changes["f32"].append(change(single_first, single_last))


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


def as_float32(weights: Weights) -> Weights:
    """The same weights in single precision."""
    return {
        node_id: {name: array.astype(np.float32) for name, array in arrays.items()}
        for node_id, arrays in weights.items()
    }


def change(before: Array, after: Array) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(after - before).max() / np.abs(before).max())


def follow(start: Architecture, length: int, rng: np.random.Generator, tally: Tally) -> None:
    """One chain, in double and in single precision."""
    inputs = rng.normal(size=(EXAMPLES, *start.input_shape))
    exact = trained(start, rng)
    single, single_inputs = as_float32(exact), inputs.astype(np.float32)
    first = last = forward(start, exact, inputs)
    single_first = forward(start, single, single_inputs)
    architecture = start
    for _ in range(length):
        found = sample(architecture, BOUNDS, rng, 1)
        if not found:
            break
        morphism = found[0][0]
        kind = tally.kinds[str(MORPHISMS.kind_of(morphism))]
        if not morphism.preserves_function:
            tally.note(first, last, single_first, forward(architecture, single, single_inputs))
        single = morphism.transfer(architecture, single, rng)
        exact = _timed_transfer(kind, morphism, architecture, exact, rng)
        architecture = _timed_apply(kind, morphism, architecture)
        before, last = last, forward(architecture, exact, inputs)
        kind.changes.append(change(before, last))
        if not morphism.preserves_function:
            first, single_first = last, forward(architecture, single, single_inputs)
    tally.note(first, last, single_first, forward(architecture, single, single_inputs))


def _timed_transfer(
    kind: Kind,
    morphism: AbstractMorphism,
    architecture: Architecture,
    weights: Weights,
    rng: np.random.Generator,
) -> Weights:
    started = time.perf_counter()
    moved = morphism.transfer(architecture, weights, rng)
    kind.transfer_seconds.append(time.perf_counter() - started)
    return moved


def _timed_apply(kind: Kind, morphism: AbstractMorphism, before: Architecture) -> Architecture:
    started = time.perf_counter()
    after = morphism.apply(before)
    kind.apply_seconds.append(time.perf_counter() - started)
    return after


def measure(options: argparse.Namespace) -> reporting.Result:
    """Netmorph's chains, then the peer's."""
    chains = min(options.chains, QUICK_CHAINS) if options.quick else options.chains
    starts = [trial.architecture for trial in history(STARTS)]
    tally = Tally()
    for number in range(chains):
        rng = np.random.default_rng(number)
        try:
            follow(starts[number % len(starts)], options.length, rng, tally)
        except Exception as error:  # whatever it is: the chain is lost
            print(f"chain {number} failed: {error!r}", file=sys.stderr)
            tally.crashes += 1
    result: reporting.Result = {
        "chains": chains,
        "crashes": tally.crashes,
        "max_relative_change_f64": max(tally.changes["f64"], default=None),
        "max_relative_change_f32": max(tally.changes["f32"], default=None),
        "kinds": {n: kind.summary() for n, kind in sorted(tally.kinds.items()) if kind.changes},
    }
    answer: peers.Answer = {}
    if not options.no_peers:
        question = {"ask": "morphism", "chains": chains, "length": options.length, "seed": 0}
        (answer,) = peers.ask([question], 30.0 if options.quick else 300.0, quick=options.quick)
    for name in ("chains", "crashes", "max_relative_change", "median_relative_change"):
        result[f"peer_{name}"] = answer.get(name)
    return result


def main() -> None:
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--chains", type=int, default=300)
    parser.add_argument("--length", type=int, default=4, help="morphisms in a chain")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
