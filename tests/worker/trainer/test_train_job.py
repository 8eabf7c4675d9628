"""An order is decoded once, and an order whose parts contradict each other is refused."""

import dataclasses

import pytest

from core.errors import InvalidInput
from core.graph.building import chain
from core.layers import Dense, Flatten, Input, Output
from core.morphisms import MORPHISMS, to_json
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.train_orders import Member
from core.protocol.states import TrialKind
from core.search.ensembles import joined
from tests.strategies import SMALL
from tests.worker.orders import NETWORK, order_for
from worker.trainer.train_job import StoredNetwork, TrainJob

BLOB = BlobRef(key=f"weights/{'a' * 64}.safetensors", sha256="a" * 64, bytes=1)
OTHER = chain(iter([Input((1, 6, 4)), Flatten(), Dense(3), Output()]))
WIDEN = next(iter(MORPHISMS["widen"].candidates(NETWORK, SMALL)))


def members(*architectures):
    return tuple(Member(architecture=each.to_json(), weights=BLOB) for each in architectures)


def test_a_job_has_the_values_of_its_order(storage):
    order = order_for(
        storage,
        architecture=WIDEN.apply(NETWORK),
        parent_architecture=NETWORK.to_json(),
        parent_weights=BLOB,
        morphisms=(to_json(WIDEN),),
        fresh=True,
        seed=9,
    )
    job = TrainJob.of(order)
    assert job.architecture == WIDEN.apply(NETWORK)
    assert job.parent == StoredNetwork(NETWORK, BLOB)
    assert job.morphisms == (WIDEN,)
    assert (job.seed, job.starts_at_random, job.is_final) == (9, True, False)
    same = ("task", "dataset", "dataset_name", "dataset_spec", "hyperparameters", "holdout")
    assert [getattr(job, name) for name in same] == [getattr(order, name) for name in same]
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.seed = 1


@pytest.mark.parametrize(
    ("kind", "parent", "continues"),
    [
        (TrialKind.SEARCH, BLOB, False),
        (TrialKind.FINAL, None, False),
        (TrialKind.FINAL, BLOB, True),
    ],
)
def test_only_a_final_fit_with_a_parent_continues_it(storage, kind, parent, continues):
    job = TrainJob.of(order_for(storage, kind=kind, parent_weights=parent))
    assert job.continues_parent is continues


def test_a_parent_without_an_architecture_has_that_of_the_order(storage):
    job = TrainJob.of(order_for(storage, parent_weights=BLOB))
    assert job.parent.architecture == NETWORK


def test_the_members_of_an_ensemble_are_decoded(storage):
    order = order_for(
        storage,
        architecture=joined([NETWORK, OTHER]),
        kind=TrialKind.FINAL,
        parent_architecture=NETWORK.to_json(),
        parent_weights=BLOB,
        members=members(NETWORK, OTHER),
    )
    job = TrainJob.of(order)
    assert [member.architecture for member in job.members] == [NETWORK, OTHER]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "fortune-telling"}, "unknown task 'fortune-telling'"),
        ({"architecture": OTHER, "parent_architecture": NETWORK.to_json()}, "the morphisms lead"),
        ({"morphisms": (to_json(WIDEN),)}, "the morphisms lead to architecture"),
        ({"morphisms": ({"kind": "fold"},)}, "unknown morphism 'fold'"),
        ({"members": members(NETWORK, OTHER)}, "the 2 networks make architecture"),
    ],
)
def test_an_order_that_contradicts_itself_is_refused(storage, changes, message):
    order = order_for(storage, **{"parent_weights": BLOB} | changes)
    with pytest.raises(InvalidInput, match=message):
        TrainJob.of(order)
