"""The promises of every registered morphism."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import IllegalMorphism, UnknownKind
from core.graph.bounds import fits
from core.graph.forward import forward
from core.graph.weights import Weights, check
from core.morphisms import (
    MORPHISMS,
    AbstractMorphism,
    TransferRequest,
    apply_all,
    from_json,
    legal,
    sample,
    to_json,
    transfer_all,
)
from tests.strategies import (
    SMALL,
    Chain,
    architectures,
    generators,
    morphed_architectures,
    morphism_chains,
    perturbed,
    random_inputs,
    random_weights,
)

KINDS = list(MORPHISMS)
PRESERVING = [kind for kind in KINDS if MORPHISMS[kind].preserves_function]


def relative_change(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.abs(after - before).max() / max(np.abs(before).max(), 1e-30))


@st.composite
def with_candidate(draw, kind):
    """An architecture with one candidate of the kind within small bounds."""

    def candidates(architecture):
        return list(MORPHISMS[kind].candidates(architecture, SMALL))

    drawn = st.one_of(architectures(), morphed_architectures(length=3))
    pairs = drawn.map(lambda one: (one, candidates(one)))
    # Draws again, as few have a candidate of a rare kind.
    architecture, found = draw(pairs.filter(lambda pair: pair[1]))
    return architecture, draw(st.sampled_from(found))


@pytest.mark.parametrize("kind", PRESERVING)
@given(data=st.data(), rng=generators)
def test_a_morphism_keeps_the_function(kind, data, rng):
    architecture, morphism = data.draw(with_candidate(kind))
    weights = random_weights(architecture, rng)
    x = random_inputs(architecture, rng)

    after = forward(
        morphism.apply(architecture),
        morphism.transfer(TransferRequest(architecture, weights, rng)),
        x,
    )

    assert relative_change(forward(architecture, weights, x), after) <= 1e-10


@given(chain=morphism_chains(length=8), rng=generators)
def test_a_chain_of_morphisms_with_training_between_keeps_the_function_at_each_step(chain, rng):
    weights = random_weights(chain.architectures[0], rng)
    x = random_inputs(chain.architectures[0], rng)
    for before, morphism, after in steps(chain):
        moved = morphism.transfer(TransferRequest(before, weights, rng))
        if morphism.preserves_function:
            y = forward(before, weights, x)
            assert relative_change(y, forward(after, moved, x)) <= 1e-10
        weights = perturbed(moved, rng)


@given(chain=morphism_chains(length=8), rng=generators)
def test_an_entire_chain_in_single_precision_keeps_the_function(chain, rng):
    assume(all(morphism.preserves_function for morphism in chain.morphisms))
    first, last = chain.architectures[0], chain.architectures[-1]
    weights = random_weights(first, rng, np.float32)
    x = random_inputs(first, rng, np.float32)

    moved = transfer_all(first, weights, chain.morphisms, rng)

    assert all(a.dtype == np.float32 for arrays in moved.values() for a in arrays.values())
    y = forward(first, weights, x)
    rounding = relative_change(forward(first, doubled(weights), x.astype(np.float64)), y)
    assert relative_change(y, forward(last, moved, x)) <= max(1e-5, 20 * rounding)


def doubled(weights: Weights) -> Weights:
    """The same weights in double precision."""
    return {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in weights.items()
    }


def steps(chain: Chain):
    return zip(chain.architectures, chain.morphisms, chain.architectures[1:], strict=False)


@given(chain=morphism_chains(length=5), rng=generators)
def test_transferred_weights_are_those_of_the_new_architecture(chain, rng):
    first, last = chain.architectures[0], chain.architectures[-1]
    moved = transfer_all(first, random_weights(first, rng), chain.morphisms, rng)
    check(last, moved)
    assert apply_all(first, chain.morphisms) == last


@given(chain=morphism_chains(length=4), rng=generators)
def test_a_transfer_leaves_the_old_weights_as_they_were(chain, rng):
    first = chain.architectures[0]
    weights = random_weights(first, rng)
    copies = {key: {n: a.copy() for n, a in arrays.items()} for key, arrays in weights.items()}
    transfer_all(first, weights, chain.morphisms, rng)
    for key, arrays in copies.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[key][name], array)


@given(chain=morphism_chains(length=4), seed=st.integers(0, 1000))
def test_a_transfer_repeats_itself_from_its_seed(chain, seed):
    first = chain.architectures[0]
    weights = random_weights(first, np.random.default_rng(0))
    once, again = (
        transfer_all(first, weights, chain.morphisms, np.random.default_rng(seed)) for _ in "12"
    )
    for key, arrays in once.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(again[key][name], array)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)  # of each kind; its children are looked at more closely above
@given(data=st.data())
def test_a_morphism_changes_the_architecture_and_names_it(kind, data):
    architecture, morphism = data.draw(with_candidate(kind))
    child = morphism.apply(architecture)
    assert child != architecture
    assert child.input_shape == architecture.input_shape
    assert child.output_shape == architecture.output_shape
    assert morphism.describe(architecture)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_morphism_survives_json(kind, data):
    _, morphism = data.draw(with_candidate(kind))
    assert from_json(json.loads(json.dumps(to_json(morphism)))) == morphism


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_morphism_of_nodes_that_are_not_there_is_illegal(kind, data):
    architecture, morphism = data.draw(with_candidate(kind))
    nodes = [name for name in to_json(morphism) if name in ("node_id", "start", "end")]
    name = data.draw(st.sampled_from(nodes))
    for node_id in (architecture.next_id, architecture.nodes[-1].id, architecture.logits, -1):
        wrong = from_json(to_json(morphism) | {name: node_id})
        with pytest.raises(IllegalMorphism):
            wrong.apply(architecture)
        with pytest.raises(IllegalMorphism):
            wrong.transfer(TransferRequest(architecture, {}, np.random.default_rng(0)))


@given(architecture=morphed_architectures())
def test_everything_legal_applies_within_the_bounds(architecture):
    for morphism in legal(architecture, SMALL):
        assert fits(morphism.apply(architecture), SMALL)


@given(architecture=morphed_architectures(), seed=st.integers(0, 100), count=st.integers(1, 12))
def test_a_sample_is_distinct_within_bounds_and_repeats_from_its_seed(architecture, seed, count):
    found, again = (sample(architecture, SMALL, np.random.default_rng(seed), count) for _ in "12")
    assert found == again
    assert len(found) <= count
    assert len({child.fingerprint for _, child in found}) == len(found)
    for morphism, child in found:
        assert morphism.apply(architecture) == child
        assert fits(child, SMALL)


@given(architecture=architectures())
def test_a_large_enough_sample_is_everything_legal(architecture):
    everything = {morphism.apply(architecture) for morphism in legal(architecture, SMALL)}
    found = sample(architecture, SMALL, np.random.default_rng(0), 10_000)
    assert {child for _, child in found} == everything


def test_json_that_is_no_morphism_is_refused():
    with pytest.raises(UnknownKind, match="unknown morphism 'nothing'"):
        from_json({"kind": "nothing"})
    for wrong in (
        None,
        {},
        {"kind": 3},
        {"kind": "widen"},
        {"kind": "widen", "node_id": 1, "segment": 0},
        {"kind": "widen", "node_id": 1, "extra": 2.0, "segment": 0},
        {"kind": "widen", "node_id": True, "extra": 2, "segment": 0},
        {"kind": "widen", "node_id": 1, "extra": 2, "segment": 0, "more": 1},
    ):
        with pytest.raises(IllegalMorphism):
            from_json(wrong)


def test_a_field_with_a_default_may_be_left_out_of_json():
    complete = from_json({"kind": "widen", "node_id": 1, "extra": 2, "segment": 0})
    assert from_json({"kind": "widen", "node_id": 1, "extra": 2}) == complete


def test_every_registered_kind_is_a_morphism():
    assert {"deepen", "widen", "add_skip", "concat_skip"} <= set(KINDS)
    assert all(issubclass(cls, AbstractMorphism) for cls in MORPHISMS.values())
