"""What workers show of their trainings and failures, to whom, and by which index it is read."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from api.models.searches import Search
from api.models.trials import FailedAttempt, Trial
from api.roles import Role
from api.schemas.workers import WorkerDetail, WorkerTrial
from api.store import endings, worker_histories, workers
from api.store.errors import NotFound
from api.store.keys import Caller
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.states import TrialKind
from tests.api.store.reports import handed_back


@pytest.fixture
def run(world: Any, take: Any, report: Any) -> Any:
    """Trains a trial at a worker, a new one of a search unless given."""

    def train(
        worker: LeaseRequest,
        search: UUID,
        status: str = "completed",
        trial: UUID | None = None,
        **values: Any,
    ) -> UUID:
        chosen = trial or world.trial(search)
        world.set(Trial, chosen, available_at=text("now()"))
        assert report(take(chosen, worker), status, **values) is not None
        return UUID(str(chosen))

    return train


@pytest.fixture
def show(world: Any) -> Any:
    """A worker as a caller sees it."""

    def get(caller: Caller, worker: LeaseRequest) -> WorkerDetail:
        with world.sessions.begin() as session:
            return workers.get(session, caller, worker.worker_id)

    return get


@pytest.fixture
def listed(world: Any) -> Any:
    """All trials of a worker that a caller sees, read in pages."""

    def read(caller: Caller, worker: LeaseRequest, limit: int = 2) -> list[WorkerTrial]:
        found: list[WorkerTrial] = []
        cursor: str | None = ""
        while cursor is not None:
            with world.sessions.begin() as session:
                page = worker_histories.listing(
                    session, caller, worker.worker_id, limit=limit, cursor=cursor or None
                )
            assert len(page.items) <= limit
            found += page.items
            cursor = page.next_cursor
        return found

    return read


def test_a_worker_shows_its_latest_precision_and_its_median_speed(world, run, take) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    take(worker=world.worker("idle"))
    for speed, precision in ((100.0, "fp32"), (900.0, "fp32"), (300.0, "bf16")):
        run(box, search, samples_per_second=speed, precision=precision)
    run(box, search, "infeasible", reason="NaN")

    with world.sessions.begin() as session:
        found = workers.listing(session, owner)
    assert [(one.name, one.precision, one.samples_per_second) for one in found] == [
        ("box", "bf16", 300.0), ("idle", None, None),
    ]  # fmt: skip


def test_only_the_latest_trials_count_for_the_speed(world, run, show) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    old = run(box, search, samples_per_second=1e6)
    world.set(Trial, old, ended_at=text("now() - interval '8 days'"))
    assert show(owner, box).samples_per_second is None
    for n in range(30):
        run(box, search, samples_per_second=5.0 if n < 10 else 7.0)
    assert show(owner, box).samples_per_second == 7.0


def test_a_day_counts_completed_trials_and_every_failed_attempt(world, run, take, do, show) -> None:
    """A trial that is completed elsewhere still shows where it failed before."""
    owner, box, other = world.caller(), world.worker("box"), world.worker("other")
    search = world.search(owner)
    world.set(Search, search, name="mine")
    run(box, search)
    tried = run(box, search, "failed", reason="CUDA error")
    run(other, search, trial=tried)
    ended = run(box, search, "failed", retry=False, reason="no such layer")
    run(box, search, "infeasible", reason="NaN")
    long_ago = run(box, search)
    world.set(Trial, long_ago, ended_at=text("now() - interval '25 hours'"))

    day = show(owner, box).last_day
    assert (day.completed, day.failed) == (1, 2)
    assert [
        (one.trial_id, one.number, one.attempt, one.reason, one.tried_again, one.search_name)
        for one in day.problems
    ] == [
        (ended, 2, 1, "no such layer", False, "mine"),
        (tried, 1, 1, "CUDA error", True, "mine"),
    ]
    assert (show(owner, other).last_day.completed, show(owner, other).last_day.failed) == (1, 0)


def test_silence_and_restarts_are_failures_and_a_handed_back_trial_is_none(
    world, take, do, show
) -> None:
    owner = world.caller()
    search = world.search(owner)
    silent, restarted, left = (world.worker(name) for name in ("silent", "restarted", "left"))
    world.led()
    trial = world.trial(search)
    take(trial, silent)
    world.overdue(trial)
    do(endings.expire, 3)
    take(world.trial(search), restarted)
    do(endings.release, restarted.model_copy(update={"boot_id": uuid4()}), 3)
    given = take(world.trial(search), left)
    assert do(endings.hand_back, given.trial_id, handed_back(given))

    def reasons(worker: LeaseRequest) -> list[str]:
        return [one.reason for one in show(owner, worker).last_day.problems]

    assert reasons(silent) == ["it sent no more reports"]
    assert reasons(restarted) == ["it restarted meanwhile"]
    assert reasons(left) == []


def test_silence_while_the_service_was_away_is_no_failure(world, take, do, show) -> None:
    owner, box = world.caller(), world.worker("box")
    trial = world.trial(world.search(owner))
    take(trial, box)
    world.overdue(trial)
    world.led(since="10 s")
    do(endings.expire, 3)
    assert world.get(trial).status == "waiting"
    assert show(owner, box).last_day.failed == 0


def test_a_setback_is_a_failure_of_its_worker(world, take, do, calls, show) -> None:
    owner, box = world.caller(), world.worker("box")
    order = calls.lease(box, world.trial(world.search(owner)))
    sent = world.result(order, "failed", reason="storage: read-only", setback=True)
    calls.result(order.trial_id, sent)
    (problem,) = show(owner, box).last_day.problems
    assert (problem.reason, problem.tried_again) == ("storage: read-only", True)


def test_the_latest_ten_problems_are_shown(world, run, show) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    for n in range(12):
        run(box, search, "failed", retry=n % 2 == 0, reason=f"problem {n}")
    day = show(owner, box).last_day
    assert day.failed == 12
    assert [one.reason for one in day.problems] == [f"problem {n}" for n in range(11, 1, -1)]


def test_nobody_learns_of_trials_that_they_may_not_read(world, run, show, listed) -> None:
    owner, stranger, admin = world.caller(), world.caller(), world.caller(Role.ADMIN)
    box = world.worker("box")
    search = world.search(owner)
    run(box, search, samples_per_second=100.0, precision="fp32")
    run(box, search, "failed", retry=False, reason="died")
    run(box, search, "failed", reason="died")

    def seen(caller: Caller) -> tuple[Any, ...]:
        shown = show(caller, box)
        day = shown.last_day
        speed = shown.precision, shown.samples_per_second
        return *speed, day.completed, day.failed, len(day.problems), len(listed(caller, box))

    everything = ("fp32", 100.0, 1, 2, 2, 2)
    assert seen(owner) == seen(admin) == everything
    assert seen(stranger) == (None, None, 0, 0, 0, 0)
    world.set(Search, search, shared=True)
    assert seen(stranger) == everything


def test_a_shared_search_shows_which_worker_trains_its_trial(world, take) -> None:
    trial = world.trial(world.search(shared_by := world.caller()))
    take(trial)
    stranger = world.caller()

    def trained(caller: Caller) -> Any:
        with world.sessions.begin() as session:
            return workers.listing(session, caller)[0].trial_id

    assert (trained(shared_by), trained(stranger)) == (trial, None)
    world.set(Search, world.get(trial).search_id, shared=True)
    assert trained(stranger) == trial


def test_a_history_is_read_in_pages_the_latest_first_for_a_week(world, run, listed) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    trials = [run(box, search, seconds=float(n), samples_per_second=10.0 * n) for n in range(7)]
    same = datetime.now(UTC)
    for trial in trials[2:6]:  # several that ended at the same moment
        world.set(Trial, trial, ended_at=same)
    world.set(Trial, trials[0], ended_at=text("now() - interval '8 days'"))
    world.set(Trial, trials[1], ended_at=text("now() - interval '6 days'"))
    world.set(Trial, trials[6], ended_at=same + timedelta(seconds=1))

    found = listed(owner, box)
    assert [one.trial_id for one in found] == [
        trials[6], *sorted(trials[2:6], reverse=True), trials[1],
    ]  # fmt: skip
    assert (found[0].number, found[0].seconds, found[0].samples_per_second) == (6, 6.0, 60.0)


def test_a_history_belongs_to_the_id_of_a_worker_not_to_its_name(world, run, listed) -> None:
    owner = world.caller()
    search = world.search(owner)
    first, second = world.worker("box"), world.worker("box")
    trials = {worker.worker_id: run(worker, search) for worker in (first, second)}
    for worker in (first, second):
        assert [one.trial_id for one in listed(owner, worker)] == [trials[worker.worker_id]]
    renamed = first.model_copy(update={"name": "larger box"})
    again = run(renamed, search)
    assert [one.trial_id for one in listed(owner, first)] == [again, trials[first.worker_id]]


def test_exports_and_running_trials_are_in_no_history(world, run, take, listed, show) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    parent = run(box, search)
    run(box, search, trial=world.trial(search, kind=TrialKind.EXPORT, parent_id=parent, number=-1))
    take(world.trial(search), box)
    assert [one.trial_id for one in listed(owner, box)] == [parent]
    assert show(owner, box).last_day.completed == 1


def test_an_unknown_worker_is_not_found(world) -> None:
    caller = world.caller()
    with world.sessions.begin() as session:
        with pytest.raises(NotFound, match="netmorph worker ls"):
            workers.get(session, caller, uuid4())
        with pytest.raises(NotFound, match="netmorph worker ls"):
            worker_histories.listing(session, caller, uuid4())


def test_failed_attempts_are_kept_for_a_day_and_go_with_their_search(world, run, show) -> None:
    owner, box = world.caller(), world.worker("box")
    search = world.search(owner)
    trials = [run(box, search, "failed", reason=f"{n}") for n in range(2)]
    with world.sessions.begin() as session:
        first = session.get_one(FailedAttempt, (trials[0], _end(session, trials[0])))
        first.ended_at = datetime.now(UTC) - timedelta(hours=25)
    assert [one.reason for one in show(owner, box).last_day.problems] == ["1"]
    with world.sessions.begin() as session:
        worker_histories.sweep(session)
        kept = session.scalars(text("SELECT trial_id FROM failed_attempts")).all()
        assert kept == [trials[1]]
        session.execute(text("DELETE FROM searches"))
        assert session.scalar(text("SELECT count(*) FROM failed_attempts")) == 0


def _end(session: Any, trial: UUID) -> datetime:
    found: datetime = session.scalar(
        text("SELECT ended_at FROM failed_attempts WHERE trial_id = :trial"), {"trial": trial}
    )
    return found


def test_everything_is_read_from_the_indexes_of_one_worker(world, run) -> None:
    """However many trials there are: the plans of all statements, as they are sent.

    The planner chooses by the sizes of the tables, so these hold many trials of other workers.
    """
    plans: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plans.append("\n".join(row[0] for row in cursor.fetchall()))

    caller = world.caller()
    trial = run(world.worker("box"), world.search(caller))
    worker = uuid4()
    with world.sessions.begin() as session:
        _copy_to_other_workers(session, trial)
        session.execute(text("ANALYZE trials, searches, failed_attempts, workers"))
        event.listen(world.engine, "before_cursor_execute", explain)
        try:
            worker_histories.last_day(session, caller, worker)
            workers.listing(session, caller)
            with pytest.raises(NotFound):
                worker_histories.listing(session, caller, worker)
        finally:
            event.remove(world.engine, "before_cursor_execute", explain)

    reading = [plan for plan in plans if "trials" in plan]
    assert len(reading) == 4
    for plan in reading:
        assert "ix_trials_worker" in plan or "ix_failed_attempts_worker_ended" in plan
        assert "Seq Scan on trials" not in plan


def _copy_to_other_workers(session: Any, trial: UUID) -> None:
    """3,000 copies of a trial, each with a failed attempt, over 300 workers."""
    other = {"id": "gen_random_uuid()", "number": "i", "worker_id": "md5((i % 300)::text)::uuid"}
    names = [column.name for column in Trial.__table__.columns if column.computed is None]
    values = [other.get(name, f"copied.{name}") for name in names]
    session.execute(
        text(
            f"INSERT INTO trials ({', '.join(names)}) SELECT {', '.join(values)} "
            "FROM trials AS copied, generate_series(1, 3000) AS i WHERE copied.id = :trial"
        ),
        {"trial": trial},
    )
    session.execute(
        text(
            "INSERT INTO failed_attempts (trial_id, ended_at, attempt, worker_id, reason) "
            "SELECT id, now(), 1, worker_id, '' FROM trials"
        )
    )
