"""Sampling of morphisms: how often each kind is drawn; and their JSON, by hand."""

from collections import Counter

import numpy as np
import pytest

from core.errors import IllegalMorphism, UnknownKind
from core.layers import LAYERS
from core.morphisms import MORPHISMS, allowed, apply_all, from_json, legal, sample, to_json
from core.morphisms.deepen import Deepen
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_reduction import NETWORK


def test_kinds_are_drawn_by_their_weights_however_many_candidates_they_have():
    rng = np.random.default_rng(0)
    drawn = Counter(MORPHISMS.kind_of(sample(NETWORK, Bounds(), rng, 1)[0][0]) for _ in range(600))
    offered = {MORPHISMS.kind_of(morphism) for morphism in legal(NETWORK, Bounds())}
    assert set(drawn) == offered == set(MORPHISMS)
    total = sum(cls.draws for cls in MORPHISMS.values())
    for kind, cls in MORPHISMS.items():
        expected = 600 * cls.draws / total
        assert abs(drawn[kind] - expected) < 4 * expected**0.5, kind


def test_only_the_kinds_that_the_bounds_allow_are_drawn():
    bounds = Bounds(morphisms=("widen", "deepen"), without_layers=("silu", "gelu"))
    rng = np.random.default_rng(0)
    drawn = [morphism for morphism, _ in sample(NETWORK, bounds, rng, 500)]
    assert {MORPHISMS.kind_of(one) for one in drawn} == {"widen", "deepen"}
    assert set(drawn) <= set(legal(NETWORK, bounds)) < set(legal(NETWORK, Bounds()))
    added = {LAYERS.kind_of(node.layer) for one in drawn for node in one.apply(NETWORK).nodes}
    assert not added & {"silu", "gelu"}


def test_an_unknown_kind_in_the_bounds_is_refused():
    with pytest.raises(UnknownKind, match="unknown morphism 'grow'; known are: add_skip, "):
        allowed(Bounds(morphisms=("widen", "grow")))


def test_kinds_that_shrink_are_drawn_together_as_often_as_one_that_grows():
    shrinking = [cls.draws for cls in MORPHISMS.values() if not cls.preserves_function]
    growing = {cls.draws for cls in MORPHISMS.values() if cls.preserves_function}
    assert sum(shrinking) == pytest.approx(1)
    assert growing == {1.0}


def test_morphisms_are_applied_in_order():
    morphisms = [Widen(1, 2), Deepen(3, "conv3")]
    child = apply_all(NETWORK, morphisms)
    assert child.shapes[3][0] == 8
    assert child.node(NETWORK.next_id).layer.filters == 8
    assert apply_all(NETWORK, []) is NETWORK


def test_json_has_the_kind_and_all_fields():
    data = {"kind": "widen", "node_id": 1, "extra": 2, "segment": 0}
    assert to_json(Widen(1, 2)) == data
    assert from_json(data) == Widen(1, 2)


def test_json_with_wrong_fields_says_what_is_expected():
    with pytest.raises(IllegalMorphism, match="expected node_id: int, extra: int, segment: int"):
        from_json({"kind": "widen", "node_id": 1, "extra": "2"})
