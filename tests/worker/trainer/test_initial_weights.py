"""A network starts with its parent's weights after the morphisms, or with random ones."""

import dataclasses

import numpy as np
import pytest
import torch

from core.errors import BlobError
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.weights import flatten, save
from core.layers import Dense, Flatten, Input, Output
from core.morphisms import MORPHISMS, to_json, transfer_all
from core.protocol.contracts.train_orders import Member
from core.protocol.states import TrialKind
from core.search.ensembles import joined, joined_weights
from tests.strategies import SMALL
from tests.worker.orders import NETWORK, arrays, order_for
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.initial_weights import (
    PROBE,
    inherited_weights,
    initial_network,
    network_with,
)
from worker.trainer.networks.compute import Compute
from worker.trainer.train_job import TrainJob

CPU = torch.device("cpu")
OTHER = chain(iter([Input((1, 6, 4)), Flatten(), Dense(3), Output()]))


def weights_of(architecture, seed=0):
    return initialise(architecture, np.random.default_rng(seed))


def stored(storage, architecture, seed=0):
    return storage.put("weights", save(weights_of(architecture, seed)), "safetensors")


def child_of(storage, kind, **hyperparameters):
    """The job of a child of `NETWORK`, and its morphism."""
    morphism = next(iter(MORPHISMS[kind].candidates(NETWORK, SMALL)))
    order = order_for(
        storage,
        architecture=morphism.apply(NETWORK),
        hyperparameters=hyperparameters,
        parent_architecture=NETWORK.to_json(),
        parent_weights=stored(storage, NETWORK),
        morphisms=(to_json(morphism),),
        seed=7,
    )
    return TrainJob.of(order), morphism


def ensemble_of(storage, **changes):
    """The job of a final fit of `NETWORK`, the winner, and `OTHER`."""
    members = tuple(
        Member(architecture=architecture.to_json(), weights=stored(storage, architecture, seed))
        for architecture, seed in ((NETWORK, 1), (OTHER, 2))
    )
    fields = {
        "architecture": joined([NETWORK, OTHER]),
        "kind": TrialKind.FINAL,
        "parent_architecture": NETWORK.to_json(),
        "parent_weights": members[0].weights,
        "members": members,
    }
    return TrainJob.of(order_for(storage, **fields | changes))


def assert_same(found, expected):
    found, expected = flatten(found), flatten(expected)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def examples():
    data = arrays(train=300)
    return Examples(data.x_train, data.y_train, Normalisation.of(data.x_train), CPU)


# --- inherited weights ------------------------------------------------------------------------


def test_without_a_parent_nothing_is_inherited(storage, examples):
    assert inherited_weights(TrainJob.of(order_for(storage)), storage, examples) is None


def test_a_child_inherits_its_parents_weights_after_its_morphisms(storage, examples):
    """The seed of the job decides the random choices of morphisms."""
    job, morphism = child_of(storage, "widen")
    found = inherited_weights(job, storage, examples)
    rng = np.random.default_rng(7)
    assert_same(found, transfer_all(NETWORK, weights_of(NETWORK), [morphism], rng))
    other = inherited_weights(dataclasses.replace(job, seed=8), storage, examples)
    assert any(not np.array_equal(a, flatten(found)[n]) for n, a in flatten(other).items())


def test_a_morphism_that_loses_information_refits_weights_on_some_training_examples(
    storage, examples
):
    job, morphism = child_of(storage, "narrow")
    found = inherited_weights(job, storage, examples)
    probe = examples.some(PROBE)
    assert len(probe) == PROBE < len(examples)

    def transferred(probe):
        rng = np.random.default_rng(7)
        return transfer_all(NETWORK, weights_of(NETWORK), [morphism], rng, probe)

    assert_same(found, transferred(probe))
    blind = flatten(transferred(None))
    assert any(np.abs(array - blind[name]).max() > 0.01 for name, array in flatten(found).items())


def test_a_child_gets_noise_on_the_weights_that_morphisms_changed(storage, examples):
    job, morphism = child_of(storage, "widen")
    noisy, _ = child_of(storage, "widen", morph_noise=0.01)
    plain, found = (inherited_weights(one, storage, examples) for one in (job, noisy))
    changed = {
        node_id
        for node_id, parameters in plain.items()
        if not np.array_equal(parameters["weight"], found[node_id]["weight"])
    }
    assert changed == {morphism.node_id, 3}  # the layer that makes the channels, and their reader


def test_an_ensemble_inherits_the_weights_of_the_winner(storage, examples):
    found = inherited_weights(ensemble_of(storage), storage, examples)
    assert_same(found, weights_of(NETWORK, 1))


def test_weights_of_another_network_are_refused(storage, examples):
    order = order_for(storage, parent_weights=stored(storage, OTHER))
    with pytest.raises(BlobError, match="the weights lack"):
        inherited_weights(TrainJob.of(order), storage, examples)


# --- the network ------------------------------------------------------------------------------


def test_without_inherited_weights_the_seed_decides_the_random_ones(storage):
    job = TrainJob.of(order_for(storage, seed=5))
    network = initial_network(job, storage, None, Compute(CPU))
    assert_same(network.weights(), weights_of(NETWORK, 5))


def test_a_network_starts_with_the_inherited_weights(storage):
    job, inherited = TrainJob.of(order_for(storage)), weights_of(NETWORK, 9)
    network = initial_network(job, storage, inherited, Compute(CPU))
    assert_same(network.weights(), inherited)


def test_a_network_can_start_with_a_share_of_the_inherited_weights(storage):
    """Kernels and matrices are mixed with random ones of the job's seed, vectors stay."""
    order = order_for(storage, seed=5, hyperparameters={"inherited_share": 0.25})
    inherited, random = weights_of(NETWORK, 9), weights_of(NETWORK, 5)
    for parameters in inherited.values():
        if "bias" in parameters:
            parameters["bias"] = np.full_like(parameters["bias"], 3)
    found = initial_network(TrainJob.of(order), storage, inherited, Compute(CPU)).weights()
    expected = {
        node_id: {
            name: 0.25 * array + 0.75 * random[node_id][name] if array.ndim > 1 else array
            for name, array in parameters.items()
        }
        for node_id, parameters in inherited.items()
    }
    for name, array in flatten(expected).items():
        np.testing.assert_allclose(flatten(found)[name], array, rtol=1e-6)


def test_an_export_has_the_inherited_weights_whatever_its_training_started_with(storage):
    job = TrainJob.of(order_for(storage, hyperparameters={"inherited_share": 0.25}))
    exported, inherited = dataclasses.replace(job, is_export=True), weights_of(NETWORK, 9)
    network = initial_network(exported, storage, inherited, Compute(CPU))
    assert_same(network.weights(), inherited)


def test_the_networks_of_an_ensemble_are_mixed_with_different_random_weights(storage):
    members = tuple(
        Member(architecture=NETWORK.to_json(), weights=stored(storage, NETWORK)) for _ in "12"
    )
    changes = {"architecture": joined([NETWORK, NETWORK]), "members": members}
    job = ensemble_of(storage, **changes, hyperparameters={"inherited_share": 0.5})
    ensemble = initial_network(job, storage, None, Compute(CPU))
    first, second = (network.weights()[1]["weight"] for network in ensemble.networks)
    assert not np.array_equal(first, second)
    inherited = weights_of(NETWORK)[1]["weight"]
    for found in (first, second):  # random parts have about the size of the inherited one
        assert 0 < np.linalg.norm(found - inherited / 2) < np.linalg.norm(inherited)


def test_an_order_can_demand_random_weights_although_some_are_inherited(storage):
    job = TrainJob.of(order_for(storage, seed=5, fresh=True))
    network = initial_network(job, storage, weights_of(NETWORK, 9), Compute(CPU))
    assert_same(network.weights(), weights_of(NETWORK, 5))


def test_the_networks_of_an_ensemble_start_with_their_own_weights(storage):
    job = ensemble_of(storage)
    ensemble = initial_network(job, storage, weights_of(NETWORK, 1), Compute(CPU))
    own = [weights_of(NETWORK, 1), weights_of(OTHER, 2)]
    assert_same(ensemble.weights(), joined_weights([NETWORK, OTHER], own))


def test_the_networks_of_an_ensemble_start_with_different_random_weights_on_demand(storage):
    members = tuple(
        Member(architecture=NETWORK.to_json(), weights=stored(storage, NETWORK)) for _ in "12"
    )
    changes = {"architecture": joined([NETWORK, NETWORK]), "members": members, "fresh": True}
    ensemble = initial_network(ensemble_of(storage, **changes), storage, None, Compute(CPU))
    first, second = (network.weights()[1]["weight"] for network in ensemble.networks)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, weights_of(NETWORK)[1]["weight"])


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_network_has_the_memory_format_of_its_computation(channels_last):
    compute = Compute(CPU, channels_last=channels_last)
    network = network_with(NETWORK, weights_of(NETWORK), compute)
    kernels = [p for p in network.parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert kernels
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=compute.memory_format)
