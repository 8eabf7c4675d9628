"""The controller at work: real database, broker and processes; workers are threads that lease."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, update

from api import db
from api.controller.process_pool import ProcessPool
from api.controller.proposer import SUGGEST_SECONDS
from api.controller.service import Controller
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.new_searches import SearchIn
from api.schemas.searches import SearchOut
from api.settings import Settings
from api.store import datasets, new_searches, searches
from api.store.errors import Conflict, KeyReused
from api.store.keys import Caller
from core.graph.architecture import Architecture
from core.protocol.contracts.reports import Action, EpochReport, Heartbeat
from core.protocol.contracts.results import TestMetrics
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.api.worker_calls import WorkerCalls
from tests.waiting import wait_for

PATIENCE = 150.0  # seconds; a busy machine needs most of a minute


@pytest.fixture
def settings(database_url: str, broker_url: str, storage_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        broker_url=broker_url,
        storage_url=storage_url,
        reconcile_seconds=0.2,
        leader_seconds=1.0,
        lease_seconds=5.0,
        discard_seconds=0.001,
    )


class LentPool:
    """A pool of processes that outlives its users: what a process has imported is kept."""

    def __init__(self) -> None:
        self.pool = ProcessPool(1, SUGGEST_SECONDS)
        self.submit = self.pool.submit

    def close(self) -> None:
        """Leave the process to the next controller."""


@pytest.fixture(scope="session")
def lent_pool() -> Iterator[LentPool]:
    """The process that computes the suggestions of all controllers but those with their own."""
    lent = LentPool()
    yield lent
    lent.pool.close()


@contextmanager
def controlled(settings: Settings, lent_pool: LentPool | None = None) -> Iterator[Controller]:
    """A controller with connections of its own, as in a process of its own."""
    engine = db.connect(settings)
    controller = Controller(settings, engine)
    if lent_pool is not None:
        controller._proposer._pool = lent_pool  # type: ignore[assignment]
    controller.start()
    yield controller
    controller.stop()
    engine.dispose()


@pytest.fixture
def controller(settings: Settings, lent_pool: LentPool) -> Iterator[Controller]:
    with controlled(settings, lent_pool) as controller:
        yield controller


@pytest.fixture
def caller(world: Any) -> Caller:
    return world.caller()


@pytest.fixture
def submit(world: Any, caller: Caller) -> Callable[..., SearchOut]:
    """Creates a search as a person would."""
    world.dataset(caller)

    def create(key: str | None = None, **body: Any) -> SearchOut:
        body = {"dataset": "data 1", "strategy": "random"} | body
        with world.sessions.begin() as session:
            requested = SearchIn(**body)
            dataset = datasets.row(session, caller, requested.dataset)
            return new_searches.create(session, caller, requested, dataset, key)

    return create


@pytest.fixture
def seen(world: Any, caller: Caller) -> Callable[[Any], SearchOut]:
    """A search as its owner sees it."""

    def look(search_id: Any) -> SearchOut:
        with world.sessions.begin() as session:
            return searches.get(session, caller, search_id)

    return look


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, as long as a whole search may take here; a look is several queries."""
    wait_for(condition, PATIENCE, pause=0.1)


class Workers:
    """Threads that lease, report epochs and results; `ending` says how a trial ends."""

    def __init__(self, world: Any, settings: Settings) -> None:
        self.world = world
        self.calls = WorkerCalls(world.engine, settings)
        self.ending: Callable[[TrainOrder], dict[str, Any]] = lambda order: {}
        self.orders: list[TrainOrder] = []
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, count: int = 1) -> None:
        self._threads += [threading.Thread(target=self._work) for _ in range(count)]
        for thread in self._threads[-count:]:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        me = self.world.worker()
        while not self._stopping.wait(0.1):
            order = self.calls.lease(me)
            if order is not None:
                self.orders.append(order)
                self.train(order)

    def train(self, order: TrainOrder) -> None:
        """Report every epoch, then the result; stop when an answer says so."""
        values = self.ending(order) | {}
        status = values.pop("status", "completed")
        epochs = 0
        for epoch in range(1, order.hyperparameters.epochs + 1):
            report = EpochReport(attempt=order.attempt, token=order.token, epoch=epoch, seconds=1)
            epochs = epoch
            if self.calls.epoch(order.trial_id, report).action is Action.STOP:
                status = "stopped"
                break
        if order.kind is TrialKind.FINAL and status != "failed":
            values.setdefault("test", TestMetrics(metric=0.9, loss=0.1, examples=200))
            values.setdefault("export", self.world.blob("exports"))
        elif status == "completed":
            values.setdefault("value", (order.number % 10) / 10)
        self.calls.result(order.trial_id, self.world.result(order, status, epochs=epochs, **values))


@pytest.fixture
def workers(world: Any, settings: Settings) -> Iterator[Workers]:
    workers = Workers(world, settings)
    yield workers
    workers.stop()


def test_a_search_goes_from_its_submission_to_its_final_fit(
    controller, workers, submit, seen, world
) -> None:
    workers.start(2)
    search = submit(budget={"trials": 6}, parallelism=2)
    assert search.status is SearchStatus.PENDING

    until(lambda: seen(search.id).status is SearchStatus.COMPLETED)

    out = seen(search.id)
    assert (out.trial_counts, out.used.trials, out.reason) == ({"completed": 6}, 6, "")
    assert out.best is not None
    assert out.final is not None
    assert (out.best.number, out.final.of_number, out.final.test_metric) == (5, 5, 0.9)
    assert out.trials_inherited >= 3
    orders = [order for order in workers.orders if order.parent_weights is not None]
    finals = [order for order in orders if order.kind is TrialKind.FINAL]
    assert (len(finals), len(orders)) == (1, out.trials_inherited + 1)
    assert all(order.morphisms for order in orders if order.kind is TrialKind.SEARCH)
    assert all(order.parent_architecture for order in orders)
    rows = world.trials(search.id)
    assert [row.kind for row in rows] == ["search"] * 6 + ["final"]
    assert all(step["text"] for row in rows for step in row.morphisms)
    world.audit()


def test_a_search_ends_with_an_ensemble_of_its_best(
    controller, workers, submit, seen, world
) -> None:
    workers.start(2)
    search = submit(budget={"trials": 8}, training={"ensemble": 3, "epochs": 2, "final_epochs": 2})

    until(lambda: seen(search.id).status is SearchStatus.COMPLETED)

    *searched, final = world.trials(search.id)
    members = [searched[number] for number in final.members]
    assert len(members) == 3
    assert members[0].id == final.parent_id
    assert len({member.fingerprint for member in members}) == 3
    assert final.parameters == sum(member.parameters for member in members)
    joint = Architecture.from_json(final.architecture)
    assert (final.fingerprint, final.layers) == (joint.fingerprint, len(joint.nodes))
    order = workers.orders[-1]
    assert order.architecture == final.architecture
    assert [member.weights.key for member in order.members] == [
        member.weights_key for member in members
    ]
    assert [member.architecture for member in order.members] == [
        member.architecture for member in members
    ]
    out = seen(search.id).final
    assert (out.members, out.parameters) == (final.members, final.parameters)
    assert out.ensemble.startswith("an ensemble of trials ")
    world.audit()


Ending = Callable[[TrainOrder], dict[str, Any]]


def ends(status: str, reason: str, kind: str = "search") -> Ending:
    """Trials of this kind have this ending; the others complete."""
    values = {"status": status, "reason": reason, "retry": False}
    return lambda order: dict(values) if order.kind == kind else {}


def fails_now_and_then(order: TrainOrder) -> dict[str, Any]:
    return {"status": "failed"} if (order.number + order.attempt) % 3 == 0 else {}


#: What is submitted, how its trials end, how the search must end, and with which reason.
WAYS: dict[str, tuple[dict[str, Any], Ending, SearchStatus, str]] = {
    "trials are spent": (
        {"budget": {"trials": 7}}, fails_now_and_then, SearchStatus.COMPLETED, ""
    ),
    "epochs are spent": (
        {"budget": {"epochs": 20}}, fails_now_and_then, SearchStatus.COMPLETED, ""
    ),
    "trials are spent before epochs": (
        {"budget": {"trials": 3, "epochs": 100}}, fails_now_and_then, SearchStatus.COMPLETED, ""
    ),
    "seconds are spent": (
        {"budget": {"seconds": 20}, "training": {"epochs": 1, "final_epochs": 2}},
        lambda order: {}, SearchStatus.COMPLETED, "",
    ),
    "nothing new is left": (
        {
            "dataset": "numbers",  # for which little fits the bounds
            "budget": {"trials": 500},
            "bounds": {"layers": 7, "width": 32, "parameters": 626},
            "training": {"epochs": 1},
        },
        lambda order: {}, SearchStatus.COMPLETED, "has been tried",
    ),
    "trial after trial fails": (
        {"budget": {"trials": 50}}, ends("failed", "no space"), SearchStatus.FAILED,
        "5 trials failed in a row: no space",
    ),
    "no trial has a value": (
        {"budget": {"trials": 3}}, ends("infeasible", "out of memory"), SearchStatus.FAILED,
        "none of 3 trials has a value: out of memory",
    ),
    "the final fit fails for good": (
        {"budget": {"trials": 2}}, ends("failed", "killed", "final"), SearchStatus.FAILED,
        "the final fit is failed: killed",
    ),
    "its strategy breaks": (
        {"budget": {"trials": 3}, "strategy": "gone"}, lambda order: {}, SearchStatus.FAILED,
        "no trial could be suggested",
    ),
}  # fmt: skip


def test_every_search_ends_correctly_beside_the_others(
    controller, workers, submit, seen, world, caller
) -> None:
    """Budgets are spent, never exceeded; nothing waits forever; failures harm no other search."""
    endings: dict[Any, Ending] = {}
    workers.ending = lambda order: endings[order.search_id](order)
    numbers = {"input_shape": (1,), "classes": 2, "class_names": ("a", "b")}
    world.dataset(caller, name="numbers", spec=world.dataset_spec().model_copy(update=numbers))
    found = {}
    for way, (body, ending, _, _) in WAYS.items():
        strategy = body.get("strategy", "random")
        search = submit(
            **({"training": {"epochs": 3}} | body | {"parallelism": 3, "strategy": "random"})
        )
        if strategy != "random":  # as if its code had been removed since
            world.set(Search, search.id, config=search_config(world, search.id, strategy))
        endings[search.id], found[way] = ending, search.id
    workers.start(4)

    def all_ended() -> bool:
        world.audit()
        end_pauses(world)
        return all(seen(id).ended_at is not None for id in found.values())

    until(all_ended)
    for way, (body, _, status, reason) in WAYS.items():
        out = seen(found[way])
        assert (out.status, out.reason) == (status, out.reason), way
        assert reason in out.reason, way
        is_settled = "did not win" in out.reason  # before its time is spent
        assert reason or not out.reason or (is_settled and "seconds" in body["budget"]), way
        budget = body["budget"]
        assert out.used.trials <= budget.get("trials", 1000), way
        assert out.used.epochs <= budget.get("epochs", 1000), way
        assert (out.final is not None) == (status is SearchStatus.COMPLETED), way
    assert seen(found["trials are spent"]).used.trials == 7
    assert seen(found["epochs are spent"]).used.epochs > 17
    assert seen(found["seconds are spent"]).used.seconds < 20
    until(
        lambda: not [row for id in found.values() for row in world.trials(id) if not row.ended_at]
    )
    world.audit()


def search_config(world: Any, search_id: Any, strategy: str) -> dict[str, Any]:
    return world.get_search(search_id).config | {"strategy": strategy}


def end_pauses(world: Any) -> None:
    """Let the pauses before another attempt pass."""
    with world.sessions.begin() as session:
        waiting = update(Trial).where(Trial.status == TrialStatus.WAITING)
        session.execute(waiting.values(available_at=Trial.created_at))


def test_pausing_and_resuming_loses_nothing(
    controller, workers, submit, seen, world, caller
) -> None:
    search = submit(budget={"trials": 6}, parallelism=2)
    until(lambda: bool(world.trials(search.id)))
    with world.sessions.begin() as session:
        assert searches.pause(session, caller, search.id).status is SearchStatus.PAUSED
    assert workers.calls.lease(world.worker()) is None
    number = world.get_search(search.id).next_number
    world.set(Trial, world.trials(search.id)[0].id, status="infeasible", ended_at=func.now())
    other = submit(budget={"trials": 1})
    until(lambda: bool(world.trials(other.id)))  # the controller has looked at both
    assert world.get_search(search.id).next_number == number
    workers.start(2)

    with world.sessions.begin() as session:
        assert searches.resume(session, caller, search.id).status is SearchStatus.RUNNING

    until(lambda: seen(search.id).status is SearchStatus.COMPLETED)
    assert seen(search.id).trial_counts == {"completed": 5, "infeasible": 1}
    world.audit()


def test_stopping_tells_the_workers_and_keeps_the_best(
    controller, workers, submit, seen, world, caller
) -> None:
    search = submit(budget={"trials": 50}, parallelism=2)
    calls, orders = workers.calls, []

    def leased() -> bool:
        order = calls.lease(world.worker())
        orders.extend([order] if order else [])
        return len(orders) == 2

    until(lambda: leased() or workers_done(calls, orders, world))
    order = orders[-1]
    with world.sessions.begin() as session:
        searches.stop(session, caller, search.id)

    answer = calls.heartbeat(
        order.trial_id, Heartbeat(attempt=order.attempt, token=order.token, step=1)
    )
    assert answer.action is Action.STOP
    assert calls.result(order.trial_id, world.result(order, "stopped", value=0.25)).accepted
    out = seen(search.id)
    assert out.status is SearchStatus.STOPPED
    assert out.best is not None
    assert TrialStatus.WAITING not in out.trial_counts
    with world.sessions.begin() as session, pytest.raises(Conflict):
        searches.resume(session, caller, search.id)
    world.audit()


def workers_done(calls: WorkerCalls, orders: list[TrainOrder], world: Any) -> bool:
    """End the first of the orders, so that there is a best trial; returns False."""
    if len(orders) == 1 and world.get(orders[0].trial_id).status == TrialStatus.RUNNING:
        calls.result(orders[0].trial_id, world.result(orders[0], value=0.5))
    return False


def test_a_trial_that_still_waits_in_an_ended_search_is_stopped(controller, world) -> None:
    """A trial may be made, or fail and wait again, at the moment its search is ended."""
    trial = world.trial(world.search(status=SearchStatus.STOPPED))

    until(lambda: world.get(trial).status == TrialStatus.STOPPED)

    world.audit()


def test_a_controller_that_dies_takes_its_process_with_it(settings, engine) -> None:
    """A supervisor restarts the process: an API without its controller would look healthy."""
    died: list[bool] = []
    controller = Controller(settings, engine, lambda: died.append(True))

    with pytest.raises(ZeroDivisionError):
        controller._vital(lambda: 1 / 0)

    assert died == [True]


def test_a_search_that_cannot_be_read_fails_alone(controller, workers, submit, seen, world) -> None:
    workers.start(1)
    broken, good = submit(budget={"trials": 2}), submit(budget={"trials": 2})
    world.set(Search, broken.id, config={"what": "is this"})

    until(lambda: seen(good.id).status is SearchStatus.COMPLETED)
    until(lambda: world.get_search(broken.id).status == SearchStatus.FAILED)
    assert "ValidationError" in world.get_search(broken.id).reason
    world.audit()


def test_two_controllers_at_once_create_no_trial_twice(
    settings, workers, submit, seen, world, monkeypatch
) -> None:
    """Even where both think that they lead."""
    monkeypatch.setattr("api.controller.service.Leadership.is_held", lambda self: True)
    workers.start(3)
    with controlled(settings), controlled(settings):
        found = [submit(budget={"trials": 8}, parallelism=3) for _ in range(2)]
        for search in found:
            until(lambda search=search: seen(search.id).status is SearchStatus.COMPLETED)
    for search in found:
        assert seen(search.id).trial_counts == {"completed": 8}
    world.audit()


def test_a_controller_that_died_is_replaced_and_suggests_the_same(
    settings, workers, submit, seen, world
) -> None:
    """The answer to an open request is lost; the repeated request gets the same answer."""
    first = submit(budget={"trials": 4}, seed=7)
    with controlled(settings) as controller:
        until(lambda: world.get_search(first.id).status == SearchStatus.RUNNING)
        controller._leadership.resign = lambda: None  # kill -9 says nobody goodbye
    second = submit(budget={"trials": 4}, seed=7)
    workers.start(1)
    with controlled(settings):
        for search in (first, second):
            until(lambda search=search: seen(search.id).status is SearchStatus.COMPLETED)

    tried = [[row.fingerprint for row in world.trials(s.id)] for s in (first, second)]
    assert tried[0] == tried[1]
    world.audit()


def test_a_request_with_the_same_idempotency_key_makes_one_search(submit, world) -> None:
    first = submit("key-1", budget={"trials": 4})
    assert submit("key-1", budget={"trials": 4}).id == first.id
    assert submit("key-2", budget={"trials": 4}).id != first.id
    with pytest.raises(KeyReused):
        submit("key-1", budget={"trials": 5})
    made: list[Any] = []
    threads = [
        threading.Thread(target=lambda: made.append(submit("key-3", budget={"trials": 4}).id))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 5
    assert len(set(made)) == 1


def test_a_deleted_search_takes_its_blobs_with_it(
    controller, workers, submit, seen, world, caller, settings
) -> None:
    storage = Storage(settings.storage_url)
    stored = storage.put("weights", b"some weights", "safetensors")
    workers.ending = lambda order: {"weights": stored}
    workers.start(1)
    search = submit(budget={"trials": 1})
    until(lambda: seen(search.id).status is SearchStatus.COMPLETED)
    assert storage.get(stored) == b"some weights"

    with db.unit_of_work(world.sessions, controller.wake) as session:
        searches.remove(session, caller, search.id)

    file = Path(urlsplit(settings.storage_url).path) / stored.key
    until(lambda: not file.exists())
