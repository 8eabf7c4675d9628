"""Any order and duplication of reports ends in the same trial.

Hypothesis leases, reports, repeats, delays, expires, pauses and stops at random; a small oracle
says what each must do, and the audit runs after every step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from api.models.trials import Trial
from api.store import endings, leases, results, searches, training_reports
from api.store.leases import Held
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.reports import Action, EpochReport, Heartbeat
from core.protocol.contracts.results import TrialResult
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialStatus
from tests.api.store.reports import beat, checkpoint_of, handed_back

ATTEMPTS = 3
LEASE = timedelta(seconds=30)
TRIALS = 3
NUMBERS = st.integers(0, TRIALS - 1)


@dataclass
class Model:
    """The expected state of a trial: the oracle."""

    status: TrialStatus = TrialStatus.WAITING
    attempt: int = 1
    value: float | None = None
    lease: tuple[int, UUID] | None = None  # attempt, token
    checkpoint: str | None = None  # its key
    stored_epoch: int = 0  # of the last checkpoint under this lease
    counted: list[TrialResult] = field(default_factory=list)

    def end(self, status: TrialStatus, search: SearchStatus, tries_again: bool) -> None:
        """The attempt has ended."""
        self.lease = None
        if search not in LIVE_SEARCH:
            self.status = TrialStatus.STOPPED
        elif tries_again and self.attempt < ATTEMPTS:
            self.status, self.attempt = TrialStatus.WAITING, self.attempt + 1
        else:
            self.status = status


class Reports(RuleBasedStateMachine):
    """One search with a few trials, and workers that send every valid and invalid report."""

    world: Any  # set by the test
    do: Any

    held = Bundle("held")
    sent = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.search = self.world.search(budget=Budget(trials=TRIALS), parallelism=TRIALS)
        self.status = SearchStatus.RUNNING
        self.trials = {self.world.trial(self.search): Model() for _ in range(TRIALS)}

    def teardown(self) -> None:
        """Leave nothing for the next run to find."""
        with self.world.sessions.begin() as session:
            session.execute(text("DELETE FROM searches"))

    @rule(target=held, named=st.none() | NUMBERS)
    def lease(self, named: int | None) -> Any:
        """A new worker asks for any trial, or for one of its choice."""
        requested = None if named is None else list(self.trials)[named]
        self._end_pauses()
        got = self.do(leases.take, self.world.worker(), uuid4(), LEASE, requested).held
        free = {id for id, model in self.trials.items() if model.status is TrialStatus.WAITING}
        allowed = free & ({requested} if requested else free)
        if self.status is not SearchStatus.RUNNING or not allowed:
            assert got is None
            return None
        assert got.trial_id in allowed
        model = self.trials[got.trial_id]
        assert got.attempt == model.attempt
        model.status, model.lease = TrialStatus.RUNNING, (got.attempt, got.token)
        model.stored_epoch = 0
        return got

    @rule(held=held, step=st.integers(0, 5))
    def heartbeat(self, held: Any, step: int) -> None:
        if held is None:
            return
        beat = Heartbeat(attempt=held.attempt, token=held.token, step=step)
        answer = self.do(training_reports.heartbeat, held.trial_id, beat, LEASE)
        assert answer.action is self._next_action(held)

    @rule(held=held, epoch=st.integers(1, 3))
    def epoch(self, held: Any, epoch: int) -> None:
        if held is None:
            return
        report = EpochReport(attempt=held.attempt, token=held.token, epoch=epoch, seconds=1.0)
        answer = self.do(training_reports.epoch, held.trial_id, report, LEASE)
        assert answer.action is self._next_action(held)

    @rule(held=held, epoch=st.integers(1, 3))
    def checkpoint(self, held: Any, epoch: int) -> None:
        """A worker has stored a checkpoint; the next lease continues from the last epoch's."""
        if held is None:
            return
        report = checkpoint_of(held, epoch)
        answer = self.do(training_reports.checkpoint, held.trial_id, report, LEASE)
        assert answer.action is self._next_action(held)
        model = self.trials[held.trial_id]
        if self._has_lease(held) and epoch >= model.stored_epoch:  # else it comes late
            model.checkpoint, model.stored_epoch = report.blob.key, epoch

    @rule(held=held)
    def hand_back(self, held: Any) -> None:
        """A worker shuts down; the attempt is not counted."""
        if held is None:
            return
        done = self.do(endings.hand_back, held.trial_id, handed_back(held))
        assert done is self._has_lease(held)
        model = self.trials[held.trial_id]
        if done:
            model.lease = None
            is_live = self.status in LIVE_SEARCH
            model.status = TrialStatus.WAITING if is_live else TrialStatus.STOPPED

    @rule(
        target=sent,
        held=held,
        status=st.sampled_from(["completed", "stopped", "infeasible", "failed"]),
        value=st.integers(0, 100),
        retry=st.booleans(),
    )
    def result(self, held: Any, status: str, value: int, retry: bool) -> Any:
        """A worker reports; some of these come late, or from a lease that is lost."""
        if held is None:
            return None
        scored = {"value": value / 100} if status in {"completed", "stopped"} else {}
        report = self.world.result(held, status, retry=retry, weights=None, **scored)
        self._report(held.trial_id, report)
        return held.trial_id, report

    @rule(sent=consumes(sent) | sent)
    def repeat(self, sent: Any) -> None:
        """The network delivers a report once more."""
        if sent is not None:
            self._report(*sent)

    @rule(number=NUMBERS)
    def silence(self, number: int) -> None:
        """A worker is silent for too long, and another one asks for a trial."""
        self._fall_silent(number, self.world.overdue, ends=self.status is not SearchStatus.PAUSED)

    @rule(number=NUMBERS)
    def absence(self, number: int) -> None:
        """A worker is silent for too long, but nobody else asks for a trial."""
        self._fall_silent(number, self.world.forgotten, ends=self.status not in LIVE_SEARCH)

    @precondition(lambda self: self.status in LIVE_SEARCH)
    @rule(to=st.sampled_from([SearchStatus.PAUSED, SearchStatus.RUNNING, SearchStatus.STOPPED]))
    def steer(self, to: SearchStatus) -> None:
        """Its owner pauses, resumes or stops the search."""
        with self.world.sessions.begin() as session:
            searches.move(session, self.search, to)
        self.status = to
        for model in self.trials.values():
            if to is SearchStatus.STOPPED and model.status is TrialStatus.WAITING:
                model.status = TrialStatus.STOPPED

    @invariant()
    def every_trial_is_as_the_oracle_says(self) -> None:
        rows = {row.id: row for row in self.world.trials(self.search)}
        assert rows.keys() == self.trials.keys()
        for trial_id, model in self.trials.items():
            row = rows[trial_id]
            assert (row.status, row.attempt, row.value, row.checkpoint_key) == (
                model.status, model.attempt, model.value, model.checkpoint,
            )  # fmt: skip
            ended_once = [r for r in model.counted if not (r.status == "failed" and r.retry)]
            assert len(ended_once) <= 1

    @invariant()
    def the_auditor_finds_nothing(self) -> None:
        self.world.audit()

    def _next_action(self, held: Any) -> Action:
        """What the holder of a lease, perhaps of a lost one, is to do next."""
        if not self._has_lease(held):
            return Action.ABANDON
        return Action.CONTINUE if self.status in LIVE_SEARCH else Action.STOP

    def _fall_silent(self, number: int, let: Callable[[UUID], None], *, ends: bool) -> None:
        """The lease ends, or its holder returns and has it still."""
        trial_id, model = list(self.trials.items())[number]
        if model.lease is None:
            return
        let(trial_id)
        assert self.do(endings.expire, ATTEMPTS) == ends
        if ends:
            model.end(TrialStatus.LOST, self.status, tries_again=True)
            return
        held = Held(trial_id, *model.lease)
        answer = self.do(training_reports.heartbeat, trial_id, beat(held), LEASE)
        assert answer.action is Action.CONTINUE

    def _has_lease(self, held: Any) -> bool:
        return self.trials[held.trial_id].lease == (held.attempt, held.token)

    def _report(self, trial_id: UUID, report: TrialResult) -> None:
        status = self.do(results.end_attempt, trial_id, report, b"digest", ATTEMPTS)
        model = self.trials[trial_id]
        if model.lease != (report.attempt, report.token):
            assert status is None
            return
        model.counted.append(report)
        tries_again = report.status is TrialStatus.FAILED and report.retry
        model.end(report.status, self.status, tries_again)
        model.value = report.value
        assert status is model.status

    def _end_pauses(self) -> None:
        """Let the pauses before another attempt pass."""
        for trial_id, model in self.trials.items():
            if model.status is TrialStatus.WAITING:
                past = self.world.get(trial_id).created_at
                self.world.set(Trial, trial_id, available_at=past)


def test_any_order_and_duplication_of_reports_ends_in_the_same_trial(world, do) -> None:
    Reports.world, Reports.do = world, staticmethod(do)
    run_state_machine_as_test(
        Reports,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
