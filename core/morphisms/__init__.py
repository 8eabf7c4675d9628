"""The morphisms, one kind per module; each registers itself in `MORPHISMS`."""

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import Any, get_type_hints

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, TransferRequest
from core.morphisms.noise import add_noise
from core.protocol.contracts.bounds import Bounds
from core.registry import import_modules

import_modules(__name__, __path__)

__all__ = [
    "MORPHISMS",
    "AbstractMorphism",
    "TransferRequest",
    "allowed",
    "apply_all",
    "from_json",
    "legal",
    "sample",
    "to_json",
    "transfer_all",
]


def apply_all(architecture: Architecture, morphisms: Iterable[AbstractMorphism]) -> Architecture:
    """The architecture after all morphisms, in order; raises IllegalMorphism if one is illegal."""
    for morphism in morphisms:
        architecture = morphism.apply(architecture)
    return architecture


def transfer_all(
    architecture: Architecture,
    weights: Weights,
    morphisms: Iterable[AbstractMorphism],
    rng: np.random.Generator,
    probe: Array | None = None,
    noise: float = 0.0,
) -> Weights:
    """The weights after all morphisms, in order; raises IllegalMorphism if one does not apply.

    `probe` is as in `TransferRequest`, `noise` the amount for `add_noise`. Without noise
    the morphisms that preserve the function do so exactly.
    """
    moved = weights
    for morphism in morphisms:
        moved = morphism.transfer(TransferRequest(architecture, moved, rng, probe))
        architecture = morphism.apply(architecture)
    return add_noise(architecture, weights, moved, noise, rng) if noise else moved


def allowed(bounds: Bounds) -> list[type[AbstractMorphism]]:
    """The kinds that the bounds allow, by name; raises UnknownKind for one that does not exist."""
    if bounds.morphisms is None:
        return list(MORPHISMS.values())
    return [MORPHISMS[kind] for kind in sorted(set(bounds.morphisms))]


def legal(architecture: Architecture, bounds: Bounds) -> list[AbstractMorphism]:
    """All candidates of the allowed kinds whose result is within the bounds."""
    return [
        morphism
        for cls in allowed(bounds)
        for morphism in cls.candidates(architecture, bounds)
        if fits(morphism.apply(architecture), bounds)
    ]


def sample(
    architecture: Architecture, bounds: Bounds, rng: np.random.Generator, count: int
) -> list[tuple[AbstractMorphism, Architecture]]:
    """Up to `count` random morphisms with their results: distinct architectures within the bounds.

    First the kind is drawn, with its `draws` as the weight, then one of its candidates.
    """
    children: dict[str, tuple[AbstractMorphism, Architecture]] = {}
    for morphism in _shuffled(architecture, bounds, rng):
        child = morphism.apply(architecture)
        if fits(child, bounds):
            children.setdefault(child.fingerprint, (morphism, child))
        if len(children) == count:
            break
    return list(children.values())


def _shuffled(
    architecture: Architecture, bounds: Bounds, rng: np.random.Generator
) -> Iterator[AbstractMorphism]:
    """All candidates in random order; a kind is drawn equally often however many it has."""
    kinds = allowed(bounds)
    pools: dict[type[AbstractMorphism], list[AbstractMorphism]] = {}  # filled once drawn
    ends = list(accumulate([cls.draws for cls in kinds]))
    while kinds:
        cls = kinds[bisect_right(ends, rng.random() * ends[-1], hi=len(ends) - 1)]
        if cls not in pools:
            pools[cls] = list(cls.candidates(architecture, bounds))
        if pool := pools[cls]:
            index = int(rng.random() * len(pool))
            pool[index], pool[-1] = pool[-1], pool[index]
            yield pool.pop()
        else:
            kinds.remove(cls)
            ends = list(accumulate([cls.draws for cls in kinds]))


@cache
def _field_types(cls: type[AbstractMorphism]) -> dict[str, type]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


@cache
def _defaults(cls: type[AbstractMorphism]) -> frozenset[str]:
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return frozenset(f.name for f in fields if f.default is not dataclasses.MISSING)


def to_json(morphism: AbstractMorphism) -> dict[str, Any]:
    """The morphism as JSON: its kind and its fields.

    Raises KeyError if the morphism's class is not registered.
    """
    fields = {name: getattr(morphism, name) for name in _field_types(type(morphism))}
    return {"kind": MORPHISMS.kind_of(morphism)} | fields


def from_json(data: Any) -> AbstractMorphism:
    """The morphism of `to_json`; raises UnknownKind or IllegalMorphism for anything else.

    A field with a default may be missing, so that morphisms stored before it was added still load.
    """
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise IllegalMorphism(f"a morphism has a kind; found {data!r}")
    cls = MORPHISMS[data["kind"]]
    expected = _field_types(cls)
    given = {name: value for name, value in data.items() if name != "kind"}
    optional = {name: expected[name] for name in _defaults(cls)}
    if optional | {name: type(value) for name, value in given.items()} != expected:
        raise IllegalMorphism(
            f"morphism {data['kind']!r} has {given}; "
            f"expected {', '.join(f'{name}: {kind.__name__}' for name, kind in expected.items())}"
        )
    return cls(**given)
