"""Operations: one end each, of the holder or of its silence, by the database's clock."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text, update

from api.models.operations import Operation
from api.operation_states import OperationKind, OperationStatus
from api.roles import Role
from api.schemas.operations import OperationOut
from api.store import clock, datasets, operations
from api.store.errors import Conflict

PROBLEM = {"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "no"}


class Operated:
    """Operations of one owner and one holder; every method commits."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.owner = world.caller()
        self.holder = uuid4()

    def begin(self, name: str = "mine") -> UUID:
        operation_id = uuid4()
        with self.world.sessions.begin() as session:
            operations.begin(
                session, self.owner, operation_id, self.holder,
                kind=OperationKind.UPLOAD, name=name, step="waiting",
            )  # fmt: skip
        return operation_id

    def do(self, call: Any, *arguments: Any) -> Any:
        with self.world.sessions.begin() as session:
            return call(session, *arguments)

    def get(self, operation_id: UUID) -> OperationOut:
        found: OperationOut = self.do(operations.get, self.owner, operation_id)
        return found

    def age(self, column: str, interval: str) -> None:
        """Let the time of a column be this long ago."""
        aged = update(Operation).values({column: text(f"now() - interval '{interval}'")})
        self.do(lambda session: session.execute(aged))


@pytest.fixture
def operated(world: Any) -> Operated:
    return Operated(world)


def test_an_operation_ends_once_and_by_its_holder_alone(operated: Any, world: Any) -> None:
    dataset = world.dataset(operated.owner)
    ends = [
        (operations.finish, dataset),
        (operations.fail, PROBLEM),
        (operations.advance, "a step"),
    ]
    for first, value in ends[:2]:
        one = operated.begin()
        for call, other in ends:
            assert not operated.do(call, one, uuid4(), other)
            assert not operated.do(call, uuid4(), operated.holder, other)
        assert operated.get(one).status is OperationStatus.RUNNING
        assert operated.do(operations.advance, one, operated.holder, "reading")
        assert operated.get(one).step == "reading"

        assert operated.do(first, one, operated.holder, value)

        end = operated.get(one)
        assert (end.step, end.ended_at is None) == ("", False)
        for call, other in ends:
            assert not operated.do(call, one, operated.holder, other)
        assert operated.do(operations.abandon, operated.holder, PROBLEM) == 0
        assert operated.get(one) == end


def test_an_operation_ends_with_its_data_set_or_with_its_problem(operated: Any, world: Any) -> None:
    dataset = world.dataset(operated.owner)
    one, other = operated.begin(), operated.begin()
    operated.do(operations.finish, one, operated.holder, dataset)
    operated.do(operations.fail, other, operated.holder, PROBLEM)

    done, failed = operated.get(one), operated.get(other)
    assert (done.status, done.dataset_id, done.problem) == (OperationStatus.DONE, dataset, None)
    assert (failed.status, failed.dataset_id) == (OperationStatus.FAILED, None)
    assert failed.problem == PROBLEM


def test_a_data_set_may_be_deleted_before_its_operation_is_forgotten(
    operated: Any, world: Any
) -> None:
    dataset = world.dataset(operated.owner)
    one, late = operated.begin(), operated.begin()
    operated.do(operations.finish, one, operated.holder, dataset)

    operated.do(datasets.remove, operated.owner, dataset)
    operated.do(operations.finish, late, operated.holder, dataset)

    for each in (one, late):
        assert operated.get(each).status is OperationStatus.DONE
        assert operated.get(each).dataset_id is None


def test_a_running_operation_is_cancelled_once_and_for_all(operated: Any, world: Any) -> None:
    one, dataset = operated.begin(), world.dataset(operated.owner)
    operated.do(operations.advance, one, operated.holder, "reading")

    cancelled = operated.do(operations.cancel, operated.owner, one, PROBLEM)

    assert (cancelled.status, cancelled.step) == (OperationStatus.CANCELLED, "")
    assert (cancelled.problem, cancelled.dataset_id) == (PROBLEM, None)
    other = PROBLEM | {"detail": "again"}
    assert operated.do(operations.cancel, operated.owner, one, other) == cancelled
    for call, value in (
        (operations.keep, dataset), (operations.finish, dataset), (operations.fail, other),
        (operations.advance, "a step"),
    ):  # fmt: skip
        assert not operated.do(call, one, operated.holder, value)
    assert operated.do(operations.ended, {one, operated.begin()}) == {one}
    assert operated.get(one) == cancelled


def test_an_operation_that_has_ended_or_stored_its_data_set_is_not_cancelled(
    operated: Any, world: Any
) -> None:
    dataset = world.dataset(operated.owner)
    done, failed, stored = (operated.begin() for _ in range(3))
    operated.do(operations.finish, done, operated.holder, dataset)
    operated.do(operations.fail, failed, operated.holder, PROBLEM)
    assert operated.do(operations.keep, stored, operated.holder, dataset)
    for one, message in ((done, "is done"), (failed, "is failed"), (stored, "delete the data set")):
        before = operated.get(one)
        with pytest.raises(Conflict, match=message):
            operated.do(operations.cancel, operated.owner, one, PROBLEM)
        assert operated.get(one) == before


def test_an_operation_with_its_data_set_is_done_where_its_holder_ends_or_dies(
    operated: Any, world: Any
) -> None:
    dataset = world.dataset(operated.owner)
    first, second = operated.begin(), operated.begin()
    for one in (first, second):
        assert operated.do(operations.keep, one, operated.holder, dataset)
    with_none = operated.begin()

    operated.age("heard_at", "61 s")
    assert operated.do(operations.expire, PROBLEM) == 1
    for one in (first, second):
        assert operated.get(one).status is OperationStatus.DONE
        assert operated.get(one).dataset_id == dataset
    assert operated.get(with_none).status is OperationStatus.FAILED

    last = operated.begin()
    assert operated.do(operations.keep, last, operated.holder, dataset)
    assert operated.do(operations.abandon, operated.holder, PROBLEM) == 0
    assert operated.get(last).status is OperationStatus.DONE


def test_a_problem_is_kept_in_characters_that_the_database_stores(operated: Any) -> None:
    one = operated.begin()
    operated.do(
        operations.fail, one, operated.holder, PROBLEM | {"detail": "a\0\ud800" + 20_000 * "b"}
    )

    problem = operated.get(one).problem
    assert problem is not None
    assert problem["detail"].startswith("a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b")
    assert len(problem["detail"]) == 10_000


def test_the_operations_of_a_silent_holder_fail(operated: Any) -> None:
    silent, heard = operated.begin(), operated.begin()
    operated.age("heard_at", "59 s")
    assert operated.do(operations.expire, PROBLEM) == 0
    operated.age("heard_at", "61 s")
    operated.do(operations.hear, uuid4(), {heard})  # somebody else says so
    operated.do(operations.hear, operated.holder, {heard})

    assert operated.do(operations.expire, PROBLEM) == 1

    assert operated.get(silent).problem == PROBLEM
    assert operated.get(heard).status is OperationStatus.RUNNING
    assert not operated.do(operations.finish, silent, operated.holder, uuid4())
    operated.age("heard_at", "61 s")
    operated.do(operations.hear, operated.holder, {silent})
    assert operated.get(silent).problem == PROBLEM


def test_a_holder_that_ends_gives_up_its_own_operations_alone(operated: Any, world: Any) -> None:
    other = Operated(world)
    own, others = operated.begin(), other.begin()
    assert operated.do(operations.abandon, operated.holder, PROBLEM) == 1
    assert operated.get(own).status is OperationStatus.FAILED
    assert other.get(others).status is OperationStatus.RUNNING


def test_a_jump_of_the_clock_back_does_not_hide_a_dead_holder(operated: Any, do: Any) -> None:
    one = operated.begin()
    operated.age("heard_at", "-1 h")
    do(clock.settle)

    with operated.world.sessions.begin() as session:
        heard_at = session.get_one(Operation, one).heard_at
        assert heard_at <= clock.now(session)


def test_ended_operations_are_forgotten_after_a_day(operated: Any, world: Any) -> None:
    running, ended = operated.begin(), operated.begin()
    operated.do(operations.fail, ended, operated.holder, PROBLEM)
    operated.age("created_at", "9 days")
    operated.do(operations.sweep)
    listed = operated.do(operations.listing, operated.owner).items
    assert {one.id for one in listed} == {running, ended}

    world.set(Operation, ended, ended_at=text("now() - interval '25 h'"))
    operated.do(operations.sweep)
    assert [one.id for one in operated.do(operations.listing, operated.owner).items] == [running]


def test_recent_operations_run_or_have_failed_and_were_not_repeated(
    operated: Any, world: Any
) -> None:
    dataset = world.dataset(operated.owner)
    failed, done, cancelled, running = (operated.begin(name) for name in "abcd")
    operated.do(operations.fail, failed, operated.holder, PROBLEM)
    operated.do(operations.finish, done, operated.holder, dataset)
    operated.do(operations.cancel, operated.owner, cancelled, PROBLEM)
    Operated(world).begin("a")  # somebody else's

    def recent(most: int = 10, caller: Any = operated.owner) -> list[UUID]:
        return [one.id for one in operated.do(operations.recent, caller, most)]

    assert recent() == [running, failed]
    assert recent(most=1) == [running]
    assert recent(caller=world.caller(Role.ADMIN)) == []  # those of all are in the listing
    again = operated.begin("a")
    assert recent() == [again, running]


def test_of_many_operations_the_oldest_ended_ones_are_forgotten(
    operated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_KEPT", 3)
    running = operated.begin()
    ended = [operated.begin() for _ in range(3)]
    for one in ended:
        assert operated.do(operations.fail, one, operated.holder, PROBLEM)
    other = Operated(operated.world)
    theirs = other.begin()

    newest = [operated.begin(), operated.begin()]

    kept = [one.id for one in operated.do(operations.listing, operated.owner).items]
    assert kept == [*reversed(newest), ended[2], running]
    assert other.get(theirs).status == OperationStatus.RUNNING
