"""Seeded histories: trees of morphed architectures with values, as a search creates them."""

from dataclasses import dataclass
from functools import cache
from math import log
from uuid import UUID

import numpy as np

from core.graph.architecture import Architecture
from core.graph.roots import roots
from core.morphisms import sample
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from core.similarity.edit_distance import skips

SHALLOWEST, DEEPEST = 12, 40  # layers of an architecture in a history
NOISE = 0.005  # standard deviation of a value
BRANCHING = 0.03  # limit of the gain in value from more and more skips
LONGEST = 6  # chain of morphisms between a parent and its child
STUCK = 60  # morphisms after which the walk starts again


def dataset(side: int) -> DatasetSpec:
    """A data set of square images in ten classes."""
    return DatasetSpec(
        input_shape=(1, side, side),
        classes=10,
        class_names=tuple("0123456789"),
        train_examples=60_000,
        test_examples=10_000,
        dtype="uint8",
    )


SPEC = dataset(side=8)
BOUNDS = Bounds(layers=DEEPEST)


@dataclass(frozen=True, slots=True)
class Features:
    """The features that a synthetic value depends on."""

    parameters: int
    layers: int
    skips: int


def value(features: Features) -> float:
    """A smooth accuracy: best at a middling size and depth, a little better with skips."""
    size = (log(features.parameters) - log(100_000)) / 3
    depth = (features.layers - 26) / 20
    branching = features.skips / (1 + features.skips)
    return 0.8 + 0.15 * float(np.exp(-(size**2) - depth**2)) + BRANCHING * branching


def features(architecture: Architecture) -> Features:
    """The features of an architecture."""
    return Features(architecture.parameters, len(architecture.nodes), len(skips(architecture)))


@cache
def history(n: int, seed: int = 0) -> tuple[PastTrial, ...]:
    """A tree of `n` different completed trials of all depths, the roots first.

    A longer history begins with the shorter ones.
    """
    rng = np.random.default_rng(seed)
    noise = NOISE * np.random.default_rng([seed, 1]).standard_normal(n)
    grown = {root.fingerprint: root for root in roots(SPEC, BOUNDS)[:n]}
    while len(grown) < n:
        limit = int(rng.integers(SHALLOWEST, DEEPEST + 1))
        parents = [one for one in grown.values() if len(one.nodes) <= limit]
        if parents:
            child = _morphed(parents[rng.integers(len(parents))], limit, rng)
            grown.setdefault(child.fingerprint, child)
    return tuple(
        PastTrial(
            trial_id=UUID(int=number),
            number=number,
            architecture=architecture,
            status=TrialStatus.COMPLETED,
            value=value(features(architecture)) + float(noise[number]),
            value_std=NOISE,
            inheritable=True,
        )
        for number, architecture in enumerate(grown.values())
    )


def _morphed(architecture: Architecture, limit: int, rng: np.random.Generator) -> Architecture:
    """The architecture after one to `LONGEST` random morphisms, at most `limit` layers deep."""
    bounds = Bounds(layers=limit)
    for _ in range(rng.integers(1, LONGEST + 1)):
        for _, child in sample(architecture, bounds, rng, 1):
            architecture = child
    return architecture


def of_depth(layers: int, count: int, seed: int = 0) -> list[Architecture]:
    """`count` different random architectures of exactly `layers` layers, at least ten."""
    rng = np.random.default_rng([seed, layers])
    bounds = Bounds(layers=layers)
    (root,) = roots(dataset(side=7), bounds)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        architecture = root
        for _ in range(STUCK):
            if len(architecture.nodes) == layers and architecture.fingerprint not in found:
                found[architecture.fingerprint] = architecture
                break
            for _, child in sample(architecture, bounds, rng, 1):
                architecture = child
    return list(found.values())
