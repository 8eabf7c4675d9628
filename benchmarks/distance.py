"""Measures the time of the edit distance of two architectures, by their number of layers.

`python -m benchmarks.distance`: microseconds for a pair of encoded architectures, separately for
the layer part and the skip part; for children by one morphism, with windows of their parent and by
recomputation; and milliseconds for all distances between a hundred architectures of a history,
both parts and their encoding. The peer measures the same pairs.
"""

import argparse
import random
import time
from typing import Any

import numpy as np

from benchmarks import peers, reporting
from benchmarks.histories import history, of_depth
from core.graph.architecture import Architecture
from core.morphisms import sample
from core.protocol.contracts.bounds import Bounds
from core.search.acquisition import CHILDREN
from core.similarity.edit_distance import Encoder, lanes

DEPTHS = (10, 20, 40)
COUNT = 100
FAMILIES = 20
PEER_PAIRS = 50


def time_of_pairs(architectures: list[Architecture], repeats: int) -> tuple[float, float]:
    """Microseconds per pair: the layer part, and the skip part of pairs that are not cached."""
    encoder = Encoder()
    encoded = encoder.encode(architectures)
    encoder.layer_distances(encoded, encoded)  # compiles
    pairs = len(encoded) ** 2
    layers = reporting.seconds_of(lambda: encoder.layer_distances(encoded, encoded), repeats)
    times = []
    for _ in range(repeats):
        encoder = Encoder()  # without cached skips
        started = time.perf_counter()
        encoder.skip_distances(encoded[: COUNT // 2], encoded[COUNT // 2 :])
        times.append(time.perf_counter() - started)
    return 1e6 * layers / pairs, 1e6 * sorted(times)[repeats // 2] / (COUNT // 2) ** 2


def time_of_children(architectures: list[Architecture], repeats: int) -> tuple[float, float]:
    """Microseconds per pair of child and landmark, only layers: by windows, and recomputed."""
    encoder, rng = Encoder(), np.random.default_rng(0)
    landmarks = lanes(encoder.encode(architectures))
    families = []
    for parent in architectures[:FAMILIES]:
        children = [child for _, child in sample(parent, Bounds(), rng, CHILDREN)]
        (encoded,) = encoder.encode([parent])
        families.append((encoded, encoder.encode(children)))

    def by_windows() -> None:
        for parent, children in families:
            encoder.child_layer_distances(parent, children, landmarks)

    def recomputed() -> None:
        for _, children in families:
            encoder.layer_distances(children, landmarks)

    by_windows()  # compiles
    pairs = sum(len(children) for _, children in families) * len(architectures)
    both = (reporting.seconds_of(work, repeats) for work in (by_windows, recomputed))
    windows, all_layers = (1e6 * seconds / pairs for seconds in both)
    return windows, all_layers


def matrix(architectures: list[Architecture]) -> None:
    """Compute all distances between the architectures with a new encoder."""
    encoder = Encoder()
    encoded = encoder.encode(architectures)
    encoder.layer_distances(encoded, encoded)
    encoder.skip_distances(encoded, encoded)


def measure(options: argparse.Namespace) -> reporting.Result:
    """The times of Netmorph for each depth, then of the peer for the same architectures."""
    repeats = 3 if options.quick else 9
    chosen = {depth: of_depth(depth, COUNT) for depth in DEPTHS}
    result: reporting.Result = {}
    for depth, architectures in chosen.items():
        layers, skipped = time_of_pairs(architectures, repeats)
        result[f"us_per_pair_{depth}"] = layers
        result[f"us_skips_per_pair_{depth}"] = skipped
        windows, recomputed = time_of_children(architectures, repeats)
        result[f"us_per_child_{depth}"] = windows
        result[f"us_per_child_recomputed_{depth}"] = recomputed
    trials = [trial.architecture for trial in history(COUNT)]
    result["matrix_100_ms"] = 1e3 * reporting.seconds_of(lambda: matrix(trials), repeats)
    answers: list[peers.Answer] = [{}] * len(DEPTHS)
    if not options.no_peers:
        answers = peers.answers_to(
            [_question(chosen[depth]) for depth in DEPTHS], 40.0, quick=options.quick
        )
    for depth, answer in zip(DEPTHS, answers, strict=True):
        result[f"peer_us_per_pair_{depth}"] = answer.get("us_per_pair")
        result[f"peer_us_skips_per_pair_{depth}"] = answer.get("us_skips_per_pair")
    return result


def _question(architectures: list[Architecture]) -> dict[str, Any]:
    rng = random.Random(0)
    pairs = [rng.sample(range(len(architectures)), 2) for _ in range(PEER_PAIRS)]
    return {
        "ask": "distance",
        "architectures": [peers.describe(one) for one in architectures],
        "pairs": pairs,
    }


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, reporting.parser(__doc__).parse_args())


if __name__ == "__main__":
    main()
