"""How long the edit distance of two architectures takes, by their number of layers.

`python -m benchmarks.distance`: microseconds a pair of encoded architectures, the layer part and
the skip part apart; of children by one morphism, by windows of their parent and by recomputation;
and milliseconds for all distances of a hundred architectures of a history, both parts and their
encoding. The peer measures the same pairs.
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
from core.protocol.contracts import Bounds
from core.search.acquisition import CHILDREN
from core.similarity.edit_distance import Encoder, lanes

DEPTHS = (10, 20, 40)
COUNT = 100
FAMILIES = 20
PEER_PAIRS = 50


def of_pairs(architectures: list[Architecture], repeats: int) -> tuple[float, float]:
    """Microseconds a pair: the layer part, and the skip part of pairs that are new to it."""
    encoder = Encoder()
    encoded = encoder.encode(architectures)
    encoder.layer_distances(encoded, encoded)  # compiles
    pairs = len(encoded) ** 2
    layers = reporting.seconds_of(lambda: encoder.layer_distances(encoded, encoded), repeats)
    times = []
    for _ in range(repeats):
        encoder = Encoder()  # which remembers no skips
        started = time.perf_counter()
        encoder.skip_distances(encoded[: COUNT // 2], encoded[COUNT // 2 :])
        times.append(time.perf_counter() - started)
    return 1e6 * layers / pairs, 1e6 * sorted(times)[repeats // 2] / (COUNT // 2) ** 2


def of_children(architectures: list[Architecture], repeats: int) -> tuple[float, float]:
    """Microseconds a pair of a child and a landmark, layers alone: by windows, and recomputed."""
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
    windows, whole = (1e6 * seconds / pairs for seconds in both)
    return windows, whole


def matrix(architectures: list[Architecture]) -> None:
    """All distances between the architectures, from nothing."""
    encoder = Encoder()
    encoded = encoder.encode(architectures)
    encoder.layer_distances(encoded, encoded)
    encoder.skip_distances(encoded, encoded)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Netmorph for each depth, then the peer for the same architectures."""
    repeats = 3 if options.quick else 9
    chosen = {depth: of_depth(depth, COUNT) for depth in DEPTHS}
    result: reporting.Result = {}
    for depth, architectures in chosen.items():
        layers, skipped = of_pairs(architectures, repeats)
        result[f"us_per_pair_{depth}"] = layers
        result[f"us_skips_per_pair_{depth}"] = skipped
        windows, recomputed = of_children(architectures, repeats)
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
    """Measure and print."""
    reporting.run(measure, reporting.parser(__doc__).parse_args())


if __name__ == "__main__":
    main()
