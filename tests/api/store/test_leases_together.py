"""Leases of several workers at once give each what it would have got by itself."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch, Trial
from api.models.workers import MemoryLimit, Worker
from api.priorities import RANKS, Priority
from api.store import endings, leases, leases_together, results
from api.store.leases_together import LeaseCall
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from tests.api.store.reports import LEASE, version

GIB = 2**30


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """A search with trials that have just ended, whose next one may be on its way."""

    priority: Priority
    status: SearchStatus
    has_free_slot: bool  # unless one of its trials waits or runs


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """A waiting trial."""

    search: int
    age: int  # seconds since it could be leased; below 0 it cannot be leased yet
    memory: int | None
    is_export: bool


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker that asks for a trial."""

    device: str
    memory: int
    exports: bool
    last_search: int | None  # whose trial it has just trained
    state: str


SEARCHES = st.lists(
    st.builds(
        SearchSpec,
        priority=st.sampled_from(Priority),
        status=st.sampled_from([SearchStatus.RUNNING] * 3 + [SearchStatus.PAUSED]),
        has_free_slot=st.booleans(),
    ),
    min_size=3,
    max_size=3,
)
TRIALS = st.lists(
    st.builds(
        TrialSpec,
        search=st.integers(0, 2),
        age=st.integers(-1, 5),
        memory=st.sampled_from([None, 10, 100]),
        is_export=st.sampled_from([False, False, False, True]),
    ),
    max_size=8,
)
WORKERS = st.lists(
    st.builds(
        WorkerSpec,
        device=st.sampled_from(["a", "a", "b"]),
        memory=st.sampled_from([GIB, GIB + 1]),  # one kind
        exports=st.sampled_from([True, True, False]),
        last_search=st.sampled_from([None, 0, 1, 2]),
        state=st.sampled_from(["known"] * 4 + ["new", "draining", "resting", "leased", "other"]),
    ),
    min_size=1,
    max_size=8,
)


class Fleet:
    """Searches with waiting trials, and workers that ask for them."""

    def __init__(
        self,
        world: Any,
        searches: Sequence[SearchSpec],
        trials: Sequence[TrialSpec],
        workers: Sequence[WorkerSpec],
    ) -> None:
        self.world = world
        self.caller, self.stranger = world.caller(), world.caller()
        data = world.dataset(self.caller)
        self.searches = [
            world.search(self.caller, dataset_id=data, parallelism=2) for _ in searches
        ]
        self.calls = [self._asking(one) for one in workers]
        self._train(workers)
        for number, one in enumerate(trials):
            self._wait(number, one, searches[one.search])
        for search, spec in zip(self.searches, searches, strict=True):
            slots = 50 if spec.has_free_slot else 1
            world.set(Search, search, status=spec.status, priority=spec.priority, parallelism=slots)
        with world.sessions.begin() as session:
            session.add(MemoryLimit(device="a", memory=GIB, exceeded=50))

    def _asking(self, spec: WorkerSpec) -> LeaseCall:
        request = LeaseRequest(
            worker_id=uuid4(),
            boot_id=uuid4(),
            name="w",
            device=spec.device,
            memory=spec.memory,
            exports=spec.exports,
        )
        if spec.state == "new":
            return LeaseCall(request, self.caller.key_id)
        key = self.stranger if spec.state == "other" else self.caller
        with self.world.sessions.begin() as session:
            session.add(
                Worker(
                    id=request.worker_id,
                    boot_id=request.boot_id,
                    name="w",
                    device=spec.device,
                    threads=1,
                    memory=GIB,
                    key_id=key.key_id,
                    draining=spec.state == "draining",
                    resting_until=text("now() + interval '1 h'")
                    if spec.state == "resting"
                    else None,
                )
            )
        return LeaseCall(request, self.caller.key_id)

    def _train(self, workers: Sequence[WorkerSpec]) -> None:
        for call, spec in zip(self.calls, workers, strict=True):
            worker = call.request.worker_id
            if spec.last_search is not None:
                columns = {"worker_id": worker, "value": 0.5, "ended_at": text("now()")}
                self.world.trial(self.searches[spec.last_search], status="completed", **columns)
            if spec.state == "leased":
                trial = self.world.trial(self.searches[0], status="running", worker_id=worker)
                with self.world.sessions.begin() as session:
                    session.add(
                        Lease(
                            trial_id=trial,
                            attempt=1,
                            token=uuid4(),
                            worker_id=worker,
                            boot_id=call.request.boot_id,
                            expires_at=text("now() + interval '1 h'"),
                        )
                    )

    def _wait(self, number: int, spec: TrialSpec, search: SearchSpec) -> None:
        age = f"now() - interval '{spec.age} s' - interval '{number + 1} ms'"
        columns = {"training_memory": spec.memory, "available_at": text(age)}
        if spec.is_export:
            columns |= {"kind": TrialKind.EXPORT, "number": -1 - number, "queue_rank": 0}
        else:
            columns["queue_rank"] = RANKS[search.priority]
        self.world.trial(self.searches[spec.search], **columns)

    def alone(self, connection: Connection, call: LeaseCall) -> UUID | None:
        """The trial that a worker leases by itself."""
        taken = leases.take(connection, call.request, uuid4(), LEASE, key_id=call.key_id)
        return None if taken.held is None else taken.held.trial_id

    def together(self, connection: Connection) -> dict[UUID, UUID | None]:
        """The trials of the workers, by their ids; the others were left out."""
        found: dict[UUID, Any] = {}
        for group in leases_together.by_kind(self.calls):
            found |= leases_together.take(connection, group, LEASE)
        return {worker: held and held.trial_id for worker, held in found.items()}

    def rows(self, connection: Connection) -> list[Any]:
        """Trials, leases and workers; times, tokens and versions differ."""
        trial = select(Trial.id, Trial.status, Trial.worker_id, Trial.worker).order_by(Trial.id)
        lease = select(Lease.trial_id, Lease.worker_id, Lease.boot_id, Lease.stop_at)
        worker = select(Worker.id, Worker.device, Worker.memory, Worker.key_id).order_by(Worker.id)
        statements = (trial, lease.order_by(Lease.trial_id), worker)
        return [row for one in statements for row in connection.execute(one)]

    def awaited(self, worker: WorkerSpec, searches: Sequence[SearchSpec]) -> int:
        """The least rank of a trial that a worker takes, as it waits for its last search."""
        last = None if worker.last_search is None else searches[worker.last_search]
        live = {
            str(row.search_id)
            for search in self.searches
            for row in self.world.trials(search)
            if row.status in {"waiting", "running"} and row.kind != TrialKind.EXPORT
        }
        if last is None or last.status is not SearchStatus.RUNNING:
            return min(RANKS.values())
        is_free = last.has_free_slot or str(self.searches[worker.last_search or 0]) not in live
        return RANKS[last.priority] if is_free else min(RANKS.values())


@given(searches=SEARCHES, trials=TRIALS, workers=WORKERS)
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_each_worker_gets_what_it_would_have_got_by_itself(
    world, empty, searches, trials, workers
) -> None:
    """A batch is like its calls one by one, those first that wait for a trial of a higher rank."""
    empty()
    fleet = Fleet(world, searches, trials, workers)
    specs = dict(zip((call.request.worker_id for call in fleet.calls), workers, strict=True))
    order = [
        call
        for group in leases_together.by_kind(fleet.calls)
        for call in sorted(
            group, key=lambda one: -fleet.awaited(specs[one.request.worker_id], searches)
        )
    ]
    usual = [one for one in order if specs[one.request.worker_id].state in {"known", "new"}]
    with world.engine.connect() as connection, connection.begin() as one_by_one:
        expected = {one.request.worker_id: fleet.alone(connection, one) for one in usual}
        rows = fleet.rows(connection)
        one_by_one.rollback()

    with world.engine.connect() as connection, connection.begin():
        found = fleet.together(connection)
        assert found == expected
        assert fleet.rows(connection) == rows


def asking(world: Any, count: int) -> list[LeaseCall]:
    """New workers of one kind."""
    return [LeaseCall(world.worker()) for _ in range(count)]


def test_as_many_trials_as_workers_are_leased_in_the_order_of_the_queue(world, do) -> None:
    """The property above would also hold if a batch left out everything."""
    first, second = world.search(), world.search()
    trials = [world.trial(search) for search in (first, second, first, second)]
    calls = asking(world, 3)
    before = [version(world, search) for search in (first, second)]

    found = do(leases_together.take, calls, LEASE)

    assert [found[call.request.worker_id].trial_id for call in calls] == trials[:3]
    assert [world.get(trial).status for trial in trials] == ["running"] * 3 + ["waiting"]
    assert len({held.token for held in found.values()}) == 3
    raised = [version(world, search) for search in (first, second)]
    assert raised == [one + 1 for one in before]  # once, also for two trials
    assert list(do(leases_together.take, asking(world, 2), LEASE).values()).count(None) == 1
    world.audit()


def test_workers_that_wait_for_a_higher_rank_hold_up_no_other_worker(world, do) -> None:
    """Three workers have just trained a search of high priority that will have another trial."""
    high, usual = world.search(parallelism=2), world.search()
    world.set(Search, high, priority=Priority.HIGH)
    calls = asking(world, 4)
    for call in calls[:3]:
        worker = call.request
        with world.sessions.begin() as session:
            session.add(
                Worker(id=worker.worker_id, **worker.model_dump(exclude={"worker_id", "exports"}))
            )
        ended = {"worker_id": worker.worker_id, "ended_at": text("now()"), "value": 0.5}
        world.trial(high, status="completed", **ended)
    urgent = world.trial(high, queue_rank=RANKS[Priority.HIGH])
    others = [world.trial(usual) for _ in range(4)]

    found = do(leases_together.take, calls, LEASE)

    got = [held and held.trial_id for held in (found[call.request.worker_id] for call in calls)]
    assert got == [urgent, None, None, others[0]]


def test_the_epochs_up_to_its_checkpoint_belong_to_each_new_attempt(world, do, take) -> None:
    search = world.search()
    held = [take(world.trial(search)) for _ in range(2)]
    for one in held:
        with world.sessions.begin() as session:
            for epoch in (1, 2, 3):
                session.add(Epoch(trial_id=one.trial_id, attempt=1, epoch=epoch, seconds=1.0))
            session.get_one(Trial, one.trial_id).checkpoint_epoch = 2
            session.get_one(Trial, one.trial_id).checkpoint_attempt = 1
        assert do(results.end_attempt, one.trial_id, world.result(one, "failed"), b"", 3)
        world.set(Trial, one.trial_id, available_at=text("now()"))

    again = do(leases_together.take, asking(world, 2), LEASE)

    assert {(one.trial_id, one.attempt) for one in again.values()} == {
        (one.trial_id, 2) for one in held
    }
    with world.sessions.begin() as session:
        rows = session.execute(select(Epoch.trial_id, Epoch.attempt, Epoch.epoch)).all()
        resumed = session.scalars(select(Lease.resumed_epoch)).all()
    kept = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    assert sorted(rows) == sorted((one.trial_id, *key) for one in held for key in kept)
    assert resumed == [2, 2]
    world.audit()


def test_a_trial_that_another_transaction_holds_is_left_to_it(world, do) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(3)]
    with world.sessions.begin() as session:
        session.get_one(Trial, trials[0], with_for_update=True)

        found = do(leases_together.take, asking(world, 3), LEASE)

    assert sorted((held.trial_id for held in found.values() if held), key=str) == sorted(
        trials[1:], key=str
    )


def test_a_worker_that_asks_again_keeps_the_lease_whose_answer_was_lost(world, do) -> None:
    search = world.search()
    for _ in range(4):
        world.trial(search)
    calls = asking(world, 2)
    first = do(leases_together.take, calls, LEASE)

    assert do(leases_together.take, calls, LEASE) == {}  # all are left out

    for call in calls:
        assert do(leases.obtain, call.request, LEASE, 3) == first[call.request.worker_id]
    world.audit()


def test_calls_are_grouped_by_what_fits_the_workers_and_each_worker_asks_once() -> None:
    def call(number: int, **values: Any) -> LeaseCall:
        request = LeaseRequest(
            worker_id=UUID(int=number), boot_id=uuid4(), name=f"w{number}", device="cpu"
        )
        return LeaseCall(request.model_copy(update=values))

    calls = [
        call(0), call(1, threads=4), call(2, memory=3 * GIB), call(3, memory=3 * GIB + 1),
        call(4, device="gpu"), call(5, exports=True), call(0, name="again"),
    ]  # fmt: skip
    groups = leases_together.by_kind(calls)
    assert groups == [calls[:2], calls[2:4], [calls[4]], [calls[5]]]


def test_batches_at_the_same_time_lease_each_trial_once_and_never_wait_for_each_other(
    world, do
) -> None:
    """Beside single leases, results and the search for silent workers; a deadlock is an error."""
    caller = world.caller()
    data = world.dataset(caller)
    searches = [world.search(caller, dataset_id=data) for _ in range(4)]
    for number in range(96):
        world.trial(searches[number % 4])
    fleet = asking(world, 48)  # each worker is in two batches at the same time

    def train(seed: int) -> list[Any]:
        calls = fleet if seed % 2 else fleet[::-1]
        mine = calls[:24] if seed < 2 else calls[24:]
        found = [held for held in do(leases_together.take, mine, LEASE).values() if held]
        found += filter(None, [do(leases.take, world.worker(), uuid4(), LEASE).held])
        do(endings.expire, 3)
        reports = [(one.trial_id, world.result(one, weights=None)) for one in found]
        do(results.accept_together, reports, 3)
        return [one.trial_id for one in found]

    with ThreadPoolExecutor(4) as threads:
        trained = [trial for found in threads.map(train, range(4)) for trial in found]

    assert len(trained) >= 50
    assert len(set(trained)) == len(trained)
    assert {world.get(trial).status for trial in trained} == {TrialStatus.COMPLETED}
    world.audit()


def test_batches_of_the_same_workers_in_any_order_never_wait_for_each_other(world, do) -> None:
    """They lock the rows of the workers; a deadlock is an error of the database."""
    fleet = asking(world, 32)

    def ask(seed: int) -> None:
        for _ in range(25):
            assert set(do(leases_together.take, fleet[:: 1 if seed % 2 else -1], LEASE)) == {
                call.request.worker_id for call in fleet
            }

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(4)))
