"""Batches of calls do what the same calls one by one would do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch, Trial
from api.store import results, training_reports
from core.errors import NetmorphError
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.results import TrialResult
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, beat, epoch_of, version

TRIALS = 4


@dataclass(frozen=True, slots=True)
class Spec:
    """A report of one of some trials, the last of which is unknown."""

    trial: int
    attempt: int  # 1 is right
    is_token_right: bool
    number: int  # of a step or of an epoch
    status: str
    value: float
    gathered: tuple[int, ...] = ()  # epochs that a report or a result has as well


SPECS = st.builds(
    Spec,
    trial=st.integers(0, TRIALS),
    attempt=st.sampled_from([1, 1, 1, 2, 10**30]),
    is_token_right=st.sampled_from([True, True, True, False]),
    number=st.integers(1, 3),
    gathered=st.lists(st.sampled_from([1, 2, 3, 4, 10**30]), max_size=3).map(tuple),
    status=st.sampled_from(["completed", "stopped", "failed", "infeasible"]),
    value=st.sampled_from([0.25, 0.5, 7.0]),  # trials of this task have no value of 7
)
BATCHES = st.lists(SPECS, min_size=1, max_size=7)
SEARCH_STATUSES = st.lists(
    st.sampled_from([SearchStatus.RUNNING, SearchStatus.PAUSED, SearchStatus.STOPPED]),
    min_size=TRIALS,
    max_size=TRIALS,
)


class Trainings:
    """Leased trials, each but the last two of a search of its own, and their reports."""

    def __init__(self, world: Any, take: Callable[..., Any], statuses: list[SearchStatus]) -> None:
        self.world = world
        caller = world.caller()
        data = world.dataset(caller)
        self.searches = [world.search(caller, dataset_id=data) for _ in range(TRIALS - 1)]
        self.searches.append(self.searches[-1])
        self.held = [take(world.trial(search)) for search in self.searches]
        for search, status in zip(self.searches, statuses, strict=True):
            ended = text("now()") if status is SearchStatus.STOPPED else None
            world.set(Search, search, status=status, reason="it was so", ended_at=ended)
        world.set(Trial, self.held[1].trial_id, stopping="a user stopped it")

    def call(self, kind: str, spec: Spec) -> tuple[UUID, Any]:
        """The report of a kind; each time the same object has the same content."""
        held = self.held[min(spec.trial, TRIALS - 1)]
        trial_id = held.trial_id if spec.trial < TRIALS else UUID(int=0)
        token = held.token if spec.is_token_right else UUID(int=1)
        fence = {"attempt": spec.attempt, "token": token}
        gathered = [EpochMetrics(epoch=number, seconds=spec.trial) for number in spec.gathered]
        if kind == "heartbeat":
            report: Any = beat(held, spec.number)
        elif kind == "epoch":
            report = epoch_of(held, spec.number, validation_metric=spec.value, earlier=gathered)
        else:
            report = TrialResult(
                status=TrialStatus(spec.status), value=spec.value, epochs=spec.number,
                last_epochs=gathered, **fence
            )  # fmt: skip
        return trial_id, report.model_copy(update=fence)

    def rows(self) -> list[Any]:
        """What the reports have changed."""
        columns = (Trial.status, Trial.value, Trial.reason, Trial.attempt, Trial.epochs_spent)
        found: list[Any] = []
        with self.world.sessions.begin() as session:
            for held in self.held:
                trial = select(*columns).where(Trial.id == held.trial_id)
                lease = select(Lease.step, Lease.epochs).where(Lease.trial_id == held.trial_id)
                epochs = select(Epoch.epoch, Epoch.validation_metric)
                epochs = epochs.where(Epoch.trial_id == held.trial_id).order_by(Epoch.epoch)
                found += [session.execute(one).all() for one in (trial, lease, epochs)]
        return found


ALONE = {
    "heartbeat": lambda c, call: training_reports.heartbeat(c, *call, LEASE),
    "epoch": lambda c, call: training_reports.epoch(c, *call, LEASE),
    "result": lambda c, call: results.accept(c, *call, 2),
}
TOGETHER = {
    "heartbeat": lambda c, calls: training_reports.heartbeats(c, calls, LEASE),
    "epoch": lambda c, calls: training_reports.epochs(c, calls, LEASE),
    "result": lambda c, calls: results.accept_together(c, calls, 2),
}


def alone(do: Callable[..., Any], kind: str, call: tuple[UUID, Any]) -> Any:
    """The answer to a call, or the kind of its error."""
    try:
        return do(ALONE[kind], call)
    except NetmorphError as error:
        return type(error)


def together(do: Callable[..., Any], kind: str, calls: list[tuple[UUID, Any]]) -> list[Any]:
    """The answers to a batch; what it leaves out is carried out alone, as the routes do."""
    answers = do(TOGETHER[kind], calls)
    return [
        alone(do, kind, call) if answer is None else answer
        for call, answer in zip(calls, answers, strict=True)
    ]


@given(statuses=SEARCH_STATUSES, batches=st.lists(
    st.tuples(st.sampled_from(list(ALONE)), BATCHES), min_size=1, max_size=4
))  # fmt: skip
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_answers_and_does_what_its_calls_do_one_by_one(
    world, do, take, statuses, batches
) -> None:
    one_by_one, batched = (Trainings(world, take, statuses) for _ in range(2))
    for kind, specs in batches:
        expected = [alone(do, kind, one_by_one.call(kind, spec)) for spec in specs]
        found = together(do, kind, [batched.call(kind, spec) for spec in specs])
        assert found == expected
        assert batched.rows() == one_by_one.rows()
    world.audit()


def test_a_batch_carries_out_all_that_is_usual(world, do, take) -> None:
    """The property above would also hold if a batch left out everything."""
    trainings = Trainings(world, take, [SearchStatus.RUNNING] * TRIALS)
    before = [version(world, search) for search in trainings.searches]
    for kind, raised in (("heartbeat", 0), ("epoch", 1), ("result", 2)):
        calls = [trainings.call(kind, Spec(n, 1, True, 1, "completed", 0.5)) for n in range(TRIALS)]

        answers = do(TOGETHER[kind], [*calls, calls[0]])

        assert None not in answers[:TRIALS]
        assert answers[TRIALS] is None  # the same trial again
        found = [version(world, search) - old for search, old in zip(
            trainings.searches, before, strict=True
        )]  # fmt: skip
        assert found == [raised] * TRIALS  # once for both trials of the last search
    world.audit()


@pytest.mark.parametrize("kind", ALONE)
def test_a_batch_does_not_wait_for_a_lease_that_another_transaction_holds(
    world, do, take, kind
) -> None:
    trainings = Trainings(world, take, [SearchStatus.RUNNING] * TRIALS)
    calls = [trainings.call(kind, Spec(n, 1, True, 1, "completed", 0.5)) for n in range(TRIALS)]
    with world.sessions.begin() as session:
        session.get_one(Lease, trainings.held[0].trial_id, with_for_update=True)

        answers = do(TOGETHER[kind], calls)

    assert [answer is None for answer in answers] == [True] + [False] * (TRIALS - 1)


def test_a_repeated_batch_counts_once(world, do, take) -> None:
    """As after a commit whose answer was lost."""
    trainings = Trainings(world, take, [SearchStatus.RUNNING] * TRIALS)
    calls = [trainings.call("result", Spec(n, 1, True, 2, "completed", 0.5)) for n in range(TRIALS)]
    do(TOGETHER["result"], calls)
    rows = trainings.rows()

    again = together(do, "result", calls)

    assert [(answer.accepted, answer.reason) for answer in again] == [(True, "duplicate")] * TRIALS
    assert trainings.rows() == rows
    world.audit()


def test_batches_of_the_same_trials_in_any_order_never_wait_for_each_other(world, do, take) -> None:
    """A dead-lock would be an error of the database."""
    caller = world.caller()
    data = world.dataset(caller)
    held = [take(world.trial(world.search(caller, dataset_id=data))) for _ in range(8)]

    def send(seed: int) -> None:
        for number in range(1, 16):
            calls = [(one.trial_id, epoch_of(one, number, train_loss=float(seed))) for one in held]
            order = calls if seed % 2 else calls[::-1]
            do(TOGETHER["epoch"], order)
            alone(do, "epoch", order[0])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(4)))
