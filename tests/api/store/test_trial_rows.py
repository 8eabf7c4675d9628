"""Rows of trials become the values that strategies see, and suggestions become rows."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.store import leases, live_searches, results, snapshots
from api.store.trial_rows import clipped, past_trial
from core.graph.roots import roots
from core.morphisms import to_json
from core.morphisms.widen import Widen
from core.protocol.contracts import Bounds
from core.search.history import PastTrial
from tests.histories import SPEC

ARCHITECTURE = roots(SPEC, Bounds())[0].to_json()


def read(world: Any, search_id: UUID) -> list[PastTrial]:
    """The earlier trials of a search as its strategy sees them."""
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
        snapshot = snapshots.read(session, search, 1)
    assert snapshot is not None
    assert snapshot.search_id == search_id
    return [past_trial(row) for row in snapshot.trials]


def end(world: Any, do: Any, report: str, **values: Any) -> None:
    """Have the one waiting trial trained."""
    lease = do(leases.take, world.worker(), uuid4(), timedelta(seconds=30)).held
    do(results.end_attempt, lease.trial_id, world.result(lease, report, **values), b"", 3)


def test_a_stopped_trial_arrives_with_the_share_of_its_training(world, do) -> None:
    search = world.search()
    planned = {"epochs": 12, "max_seconds": None}
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=planned)
    end(world, do, "stopped", value=0.5, epochs=3, seconds=9.0)

    (seen,) = read(world, search)

    assert (seen.value, seen.epochs, seen.planned_epochs) == (0.5, 3, 12)
    assert seen.fidelity == 0.25


def test_where_seconds_limit_a_training_it_is_planned_at_its_own_pace(world, do) -> None:
    search = world.search()
    planned = {"epochs": 200, "max_seconds": 60.0}
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=planned)
    end(world, do, "stopped", value=0.5, epochs=4, seconds=20.0)

    (seen,) = read(world, search)

    assert (seen.epochs, seen.planned_epochs) == (4, 12)


def test_nothing_is_planned_for_a_trial_before_it_is_decided(world) -> None:
    search = world.search()
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=None)

    (seen,) = read(world, search)

    assert (seen.epochs, seen.planned_epochs, seen.fidelity) == (None, None, 1)


def test_a_trial_arrives_with_its_parent_and_the_morphisms_between(world) -> None:
    search = world.search()
    morphism = Widen(node_id=1, extra=8, segment=0)
    step = {"text": "widen it", "data": to_json(morphism)}
    parent = world.trial(search, architecture=ARCHITECTURE)
    world.trial(search, architecture=ARCHITECTURE, parent_id=parent, morphisms=[step])

    first, second = read(world, search)

    assert (first.parent_id, first.morphisms) == (None, ())
    assert (second.parent_id, second.morphisms) == (parent, (morphism,))


def test_a_trial_arrives_with_its_measured_latency(world, do) -> None:
    search = world.search()
    world.trial(search, architecture=ARCHITECTURE)
    end(world, do, "completed", value=0.5, latency=0.25)

    assert [seen.latency for seen in read(world, search)] == [0.25]


@pytest.mark.parametrize(
    ("predicted", "stored"),
    [
        ((0.9, 0.02), (0.9, 0.02)),
        ((-0.34, 0.8), (0.0, 0.5)),
        ((1.02, 0.01), (1.0, 0.01)),
        ((None, None), (None, None)),
    ],
)
def test_a_prediction_of_a_share_is_clipped_to_zero_and_one(predicted: Any, stored: Any) -> None:
    assert clipped(*predicted, (0.0, 1.0)) == stored


def test_a_prediction_of_another_range_is_clipped_to_that() -> None:
    assert clipped(-30.0, 9.0, (-20.0, -4.0)) == (-20.0, 8.0)
    assert clipped(3.0, 1.0, (-20.0, float("inf"))) == (3.0, 1.0)
