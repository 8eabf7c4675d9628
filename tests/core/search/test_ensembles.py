"""Several networks as one, and which networks of a search they are."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.forward import forward
from core.graph.roots import all_roots
from core.graph.weights import check
from core.layers import Dense, Flatten, Input, Output, ReLU
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.search.ensembles import in_words, joined, joined_weights, members_of
from core.search.race import chosen
from tests.core.search.test_lineage import trial
from tests.core.search.test_race import ROOTS, continuing, raced
from tests.strategies import architectures, generators, random_chain, random_inputs, random_weights

SHAPES = {"images": (3, 12, 12), "signals": (2, 40), "vectors": (7,)}


def roots_of(shape) -> list[Architecture]:
    spec = DatasetSpec(
        input_shape=shape, classes=4, class_names=tuple("abcd"), train_examples=500,
        test_examples=10, dtype="float32",
    )  # fmt: skip
    return list(all_roots(spec, Bounds(), 0.25).values())


def assert_is_the_mean(networks, rng) -> None:
    """The joint network is an ordinary one; the logits of each member are computed apart."""
    weights = [random_weights(network, rng) for network in networks]
    joint, x = joined(networks), random_inputs(networks[0], rng)
    joint_weights = joined_weights(networks, weights)
    check(joint, joint_weights)
    apart = [forward(network, own, x) for network, own in zip(networks, weights, strict=True)]
    np.testing.assert_allclose(forward(joint, joint_weights, x), np.mean(apart, axis=0), rtol=1e-9)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_logits_of_the_joint_network_are_the_mean_of_its_members(kind):
    networks = roots_of(SHAPES[kind])
    rng = np.random.default_rng(0)
    assert_is_the_mean([*networks, networks[0]], rng)  # one of them twice
    for first, second in pairwise(networks):
        assert_is_the_mean([second, first], rng)


@given(first=architectures(images=True), second=architectures(images=True), rng=generators)
def test_any_two_networks_of_the_same_data_can_be_joined(first, second, rng):
    data = Input((2, 6, 5))
    moved = []
    for network in (first, second):
        try:
            moved.append(network.with_layers({network.nodes[0].id: data}))
        except InvalidArchitecture:  # too small for its pools
            moved.append(chain(iter([data, Flatten(), Dense(5), ReLU(), Dense(3), Output()])))
    assert_is_the_mean(moved, rng)


@given(rng=generators, length=st.integers(1, 6))
def test_networks_whose_ids_have_gaps_can_be_joined(rng, length):
    root = roots_of(SHAPES["vectors"])[0]
    grown = random_chain(root, rng, length).architectures[-1]
    assert_is_the_mean([grown, root], rng)
    assert_is_the_mean([root, grown], rng)


def test_the_joint_network_costs_as_much_as_its_members_and_survives_json():
    networks = roots_of(SHAPES["signals"])[:3]
    joint = joined(networks)
    assert joint.parameters == sum(network.parameters for network in networks)
    assert joint.flops == sum(network.flops for network in networks) + 2 * 4  # the sum itself
    assert Architecture.from_json(joint.to_json()) == joint
    kept = [joint.node(node.id) for node in networks[0].nodes[:-1]]
    assert kept == list(networks[0].nodes[:-1])


def test_one_network_is_itself():
    (network,) = roots_of(SHAPES["vectors"])
    weights = random_weights(network, np.random.default_rng(0))
    assert joined([network]) is network
    assert joined_weights([network], [weights]) is weights


def test_networks_of_other_data_or_another_end_are_refused():
    vector, signal = (roots_of(SHAPES[kind])[0] for kind in ("vectors", "signals"))
    with pytest.raises(InvalidArchitecture, match="the input and output are"):
        joined([vector, signal])
    rectified = chain(iter([Input((7,)), Dense(4), ReLU(), Output()]))
    with pytest.raises(InvalidArchitecture, match="expected a dense layer"):
        joined([vector, rectified])


# --- which networks ---------------------------------------------------------------------------


def numbers(trials):
    return [one.number for one in trials]


def grown(parent, number, value, architecture):
    """A child of another architecture."""
    child = continuing(parent, number, value=value, morphisms=("any",))
    return dataclasses.replace(child, architecture=architecture)


@pytest.fixture
def searched():
    """Four roots; 1 and 3 are trained on as 4 and 5; 6 and 7 are children of 4, 8 of 5."""
    trials = raced(0.5, 0.9, 0.7, 0.8)
    trials += [continuing(trials[1], 4, value=0.93), continuing(trials[3], 5, value=0.85)]
    first = random_chain(ROOTS[1], np.random.default_rng(0), 2, Bounds()).architectures
    third = random_chain(ROOTS[3], np.random.default_rng(1), 1, Bounds()).architectures[-1]
    trials += [grown(trials[4], 6, 0.96, first[1]), grown(trials[4], 7, 0.95, first[2])]
    trials.append(grown(trials[5], 8, 0.86, third))
    return trials


def test_the_winner_comes_first_and_then_the_best_of_another_root(searched):
    assert chosen(searched).number == 6
    assert numbers(members_of(searched, 2)) == [6, 8]
    assert numbers(members_of(searched, 3)) == [6, 8, 7]
    assert numbers(members_of(searched, 8)) == [6, 8, 7, 4, 5]


def test_no_architecture_comes_twice(searched):
    again = continuing(searched[7], 9, value=0.955)
    found = members_of([*searched, again], 8)
    assert numbers(found) == [6, 8, 9, 4, 5]
    module = dataclasses.replace(searched[8], architecture=searched[6].architecture)
    assert numbers(members_of([*searched[:8], module], 2)) == [6, 5]


def test_a_network_that_is_far_worse_does_not_join(searched):
    """Its part of the training would be lost; where examples are few, it may be bad luck."""
    shrunk = dataclasses.replace(searched[8], value=0.7)
    assert numbers(members_of([*searched[:8], shrunk], 3)) == [6, 5, 7]
    without_five = [one for one in searched[:8] if one.number != 5]
    assert numbers(members_of([*without_five, shrunk], 3)) == [6, 7, 4]
    unsure = [dataclasses.replace(one, value_std=0.05) for one in (*without_five, shrunk)]
    assert numbers(members_of(unsure, 3)) == [6, 8, 7]


def test_networks_without_weights_are_left_out(searched):
    searched[8] = dataclasses.replace(searched[8], inheritable=False)
    assert numbers(members_of(searched, 2)) == [6, 5]


def test_one_network_alone_is_no_ensemble(searched):
    assert members_of(searched, 1) == []
    assert members_of([trial(0, value=0.5, inheritable=True)], 3) == []
    assert members_of([trial(0, value=0.5), trial(1, value=0.6)], 3) == []
    assert members_of([], 3) == []


def test_the_joint_network_keeps_to_the_given_bounds(searched):
    one, two = (searched[index].architecture.parameters for index in (6, 8))
    assert numbers(members_of(searched, 2, Bounds(parameters=one + two))) == [6, 8]
    assert 8 not in numbers(members_of(searched, 2, Bounds(parameters=one + two - 1)))
    assert members_of(searched, 2, Bounds(parameters=one)) == []
    assert numbers(members_of(searched, 2, Bounds(layers=4, width=8))) == [6, 8]
    assert numbers(members_of(searched, 2, Bounds(without_layers=("silu",)))) == [6, 8]
    assert members_of(searched, 2, Bounds(without_layers=("add",))) == []  # of their logits


def test_a_bound_on_latency_is_held_against_what_was_measured(searched):
    measured = [dataclasses.replace(one, latency=1e-3) for one in searched]
    assert members_of(measured, 2, Bounds(latency=1e-4)) == []
    assert numbers(members_of(measured, 2, Bounds(latency=1.0))) == [6, 8]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((), ""),
        ((7, 5), "an ensemble of trials 5 and 7"),
        ((7, 5, 9), "an ensemble of trials 5, 7 and 9"),
    ],
)
def test_an_ensemble_is_described_in_words(found, words):
    assert in_words(found) == words


@pytest.mark.parametrize(
    ("found", "requested", "words"),
    [
        ((), 1, ""),
        ((), 3, "one network (3 networks requested)"),
        ((5, 7), 2, "an ensemble of trials 5 and 7"),
        ((5, 7), 3, "an ensemble of trials 5 and 7 (3 networks requested)"),
    ],
)
def test_fewer_networks_than_requested_are_named(found, requested, words):
    assert in_words(found, requested) == words
