"""Damaged weights: the trial is not to blame, and starts from its nearest intact ancestor."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import select, text

from api.controller import reports
from api.controller.suggestions import past_trial
from api.controller.sweeper import Sweeper
from api.models.blobs import Damaged
from api.models.trials import Trial
from api.models.workers import Worker
from api.store import datasets, live_searches, workers
from benchmarks.histories import SPEC
from core.graph.initialisation import initialise
from core.graph.roots import roots
from core.graph.weights import save
from core.morphisms import to_json
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialKind
from core.protocol.storage import Storage

ROOT = roots(SPEC, Bounds())[0]
WIDENED = [Widen(node_id=1, extra=8 * (1 + times), segment=0) for times in range(2)]


class Line:
    """A search with a root, its child and its grandchild, which waits; and their weights."""

    def __init__(self, world: Any, storage: Storage, **last: Any) -> None:
        self.world, self.storage = world, storage
        self.folder = Path(storage.url.removeprefix("file://"))
        self.search = world.search()
        self.weights, self.ids = [], []
        architecture, parent = ROOT, None
        for number in range(3):
            columns = {"architecture": architecture.to_json(), "parent_id": parent}
            if number:
                step = {"text": "widen", "data": to_json(WIDENED[number - 1])}
                columns |= {"morphisms": [step], "inherited": True}
            if number < 2:
                packed = save(initialise(architecture, np.random.default_rng(number)))
                blob = storage.put("weights", packed, "safetensors")
                self.weights.append(blob)
                columns |= {"weights_key": blob.key, "weights_bytes": blob.bytes, "value": 0.5}
                columns |= {"status": "completed"}
                after = WIDENED[number].apply(architecture)
            else:
                columns |= last
            parent = world.trial(self.search, **columns)
            self.ids.append(parent)
            architecture = after

    def file(self, number: int) -> Path:
        return self.folder / self.weights[number].key

    def inheritable(self) -> list[bool]:
        with self.world.sessions.begin() as session:
            rows = live_searches.past(session, self.search)
        return [past_trial(row).inheritable for row in rows]


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return Storage(storage_url)


@pytest.fixture
def report(world: Any, do: Any, storage: Storage) -> Any:
    """Reports that an order failed as weights were damaged, by default its parent's."""

    def send(order: Any, weights: Any = None) -> Any:
        sent = world.result(
            order,
            "failed",
            reason="damaged",
            retry=False,
            damaged=weights or order.parent_weights,
        )
        return do(reports.accept, storage, order.trial_id, sent, 1)

    return send


def test_a_trial_starts_from_its_nearest_intact_ancestor_and_then_from_random_weights(
    world, calls, storage, report
) -> None:
    line, worker = Line(world, storage), world.worker()
    order = calls.lease(worker)
    assert order.parent_weights == line.weights[1]

    line.file(1).unlink()
    report(order)
    order = calls.lease(worker)
    trial = world.get(line.ids[2])
    assert (order.attempt, order.parent_weights) == (1, line.weights[0])
    assert order.parent_architecture == ROOT.to_json()
    assert order.morphisms == tuple(to_json(one) for one in WIDENED)
    assert order.architecture == trial.architecture
    assert trial.remark == "started from trial 0, as the weights of trial 1 are damaged"
    assert line.inheritable() == [True, False, False]

    damaged = bytearray(line.file(0).read_bytes())
    damaged[-1] ^= 1
    line.file(0).write_bytes(damaged)
    report(order)
    order = calls.lease(worker)
    trial = world.get(line.ids[2])
    assert (order.attempt, order.parent_weights, order.morphisms) == (1, None, ())
    assert (trial.inherited, trial.attempt) == (False, 1)
    assert trial.remark == "started from random weights, as those of trial 1 are damaged"
    assert line.inheritable() == [False, False, False]


def test_a_search_waits_for_its_lost_data_set_and_then_says_what_to_do(
    world, calls, storage, report, do
) -> None:
    caller = world.caller()
    data = storage.put("datasets", b"examples", "safetensors")
    file = Path(storage.url.removeprefix("file://")) / data.key
    with world.sessions.begin() as session:
        dataset = datasets.add(session, caller, name="mine", builtin=False, spec=SPEC, blob=data).id
    search = world.search(caller, dataset_id=dataset)
    trial = world.trial(search)
    patient, impatient = (Sweeper(storage, world.sessions, 1, after) for after in (3600, 1e-6))

    def sweep(sweeper: Sweeper) -> bool:
        with world.sessions.begin() as session:
            due = sweeper.is_due(session)
        sweeper.sweep()
        return due

    order = calls.lease(world.worker())
    assert report(order, data).rest_seconds > 0  # for the service it is intact
    assert not sweep(impatient)

    world.set(Trial, trial, available_at=text("now()"))
    file.unlink()
    assert report(calls.lease(world.worker()), data).accepted
    assert (world.get(trial).attempt, world.get(trial).setbacks) == (1, 2)
    assert not sweep(patient)

    file.write_bytes(b"examples")  # restored in time
    assert sweep(impatient)
    assert world.get_search(search).status == "running"

    world.set(Trial, trial, available_at=text("now()"))
    file.unlink()
    report(calls.lease(world.worker()), data)
    assert sweep(impatient)
    ended = world.get_search(search)
    assert ended.status == "failed"
    assert ended.reason.startswith("the data set mine could not be read from storage since ")
    assert f"nothing is stored under {data.key}; upload the data set again" in ended.reason


def test_a_final_fit_whose_winner_is_damaged_starts_from_an_ancestor(
    world, calls, storage, report
) -> None:
    line = Line(world, storage, kind=TrialKind.FINAL, morphisms=[])
    order = calls.lease(world.worker())
    line.file(1).unlink()
    report(order)

    order = calls.lease(world.worker())

    assert (order.parent_weights, order.fresh) == (line.weights[0], False)
    assert order.morphisms == (to_json(WIDENED[0]),)


def test_an_ensemble_with_a_damaged_member_starts_from_random_weights(
    world, calls, storage, report
) -> None:
    line = Line(world, storage, kind=TrialKind.FINAL, morphisms=[], members=[1, 0])
    order = calls.lease(world.worker())
    line.file(0).unlink()
    report(order, line.weights[0])

    order = calls.lease(world.worker())

    assert (order.parent_weights, order.fresh, len(order.members)) == (None, True, 2)


def test_weights_that_are_intact_or_of_another_search_are_not_marked(
    world, calls, storage, report
) -> None:
    line, other = Line(world, storage), Line(world, storage)
    order = calls.lease(world.worker(), line.ids[2])
    assert report(order).rest_seconds > 0  # the worker is to blame, not the trial
    assert (world.get(line.ids[2]).status, world.get(line.ids[2]).attempt) == ("waiting", 1)

    order = calls.lease(world.worker(), other.ids[2])
    theirs = storage.put("weights", b"another's", "safetensors")
    columns = {"weights_key": theirs.key, "weights_bytes": theirs.bytes, "value": 0.5}
    world.trial(world.search(), architecture=ROOT.to_json(), status="completed", **columns)
    storage.delete(theirs)
    report(order, theirs)
    assert world.get(other.ids[2]).status == "failed"
    with world.sessions.begin() as session:
        assert session.scalars(select(Damaged)).all() == []


def test_weights_that_are_restored_are_inherited_again(world, calls, storage, report) -> None:
    line = Line(world, storage)
    data = line.file(1).read_bytes()
    line.file(1).unlink()
    report(calls.lease(world.worker()))
    sweeper = Sweeper(storage, world.sessions, 0.001)
    sweeper.sweep()
    assert line.inheritable() == [True, False, False]

    line.file(1).write_bytes(data)
    sweeper.sweep()

    assert line.inheritable() == [True, True, False]


def test_a_worker_that_alone_cannot_read_rests_longer_each_time_and_another_one_trains(
    world, calls, storage, do
) -> None:
    """Its mount is broken: it would set back one trial after the other without end."""
    caller = world.caller()
    data = storage.put("datasets", b"examples", "safetensors")
    with world.sessions.begin() as session:
        dataset = datasets.add(session, caller, name="mine", builtin=False, spec=SPEC, blob=data).id
    for _ in range(2):
        world.trial(world.search(caller, dataset_id=dataset))
    broken, seconds, order_of = world.worker("broken"), [], []
    for damaged in (data, data, None):  # a lost mount, then one that gives errors
        order = calls.lease(broken)
        order_of.append(order)
        sent = world.result(order, "failed", reason="nothing there", setback=True, damaged=damaged)
        answer = do(reports.accept, storage, order.trial_id, sent, 3)
        seconds.append(answer.rest_seconds)
        assert "this worker alone cannot use storage: nothing there" in answer.reason
        assert calls.lease(broken) is None
        world.set(Worker, broken.worker_id, resting_until=text("now()"))
    assert seconds == [5, 10, 20]

    world.set(Worker, broken.worker_id, resting_until=text("now() + interval '1 h'"))
    for search in (one.search_id for one in order_of):
        world.set(Trial, world.trials(search)[0].id, available_at=text("now()"))
    order = calls.lease(world.worker())  # for a worker with storage
    assert world.get(order.trial_id).attempt == 1
    with world.sessions.begin() as session:
        listed = {one.name: one for one in workers.listing(session, caller)}
    assert "nothing there" in listed["broken"].problem
    restarted = broken.model_copy(update={"boot_id": uuid4()})
    assert calls.lease(restarted) is not None
    world.audit()
