"""What workers ask of the controller: a trial to train, whether to go on, to count a result."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import numpy as np
from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from api.controller import model_card
from api.db import autocommit
from api.settings import Settings
from api.store import compute, endings, leases, train_orders
from api.store.errors import Conflict, NotFound
from api.store.leases import Held, ReportVerdict
from api.store.train_orders import OrderContext
from core.errors import NetmorphError
from core.protocol.contracts import (
    Action,
    Answer,
    EpochReport,
    Heartbeat,
    Hyperparameters,
    JsonObject,
    LeaseRequest,
    ResultAnswer,
    TrainOrder,
    TrialResult,
)
from core.protocol.states import LIVE_SEARCH, TrialKind, TrialStatus
from core.search import defaults, halving

#: The trainer keeps to its time itself; so many seconds later its worker is told.
GRACE = 10.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


class LeaseService:
    """The controller's side of the worker routes; safe in threads, keeps nothing."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._max_attempts = settings.max_attempts

    def lease(self, request: LeaseRequest, trial_id: UUID | None = None) -> TrainOrder | None:
        """An order for the trial that waits longest, or for the named one; None without.

        A worker that has a lease gets the same order again, as it cannot have seen the answer;
        one that has started anew loses the leases of its earlier start.
        """
        taken = self._take(request, trial_id)
        if (
            taken is None
            and trial_id is not None
            and self._run(lambda c: endings.last_report(c, trial_id)) is None
        ):
            raise NotFound(f"there is no trial {trial_id}")
        if taken is None:
            return None
        try:
            return self._order(taken)
        except (ValidationError, NetmorphError) as error:
            self._give_up(taken, error)
            return None

    def heartbeat(self, trial_id: UUID, beat: Heartbeat) -> Answer:
        """Keep the lease alive; whether to go on."""
        return _answer(self._run(lambda c: leases.heartbeat(c, trial_id, beat, self._lease)))

    def epoch(self, trial_id: UUID, report: EpochReport) -> Answer:
        """Keep an epoch's metrics; whether to go on."""
        return _answer(self._run(lambda c: leases.epoch(c, trial_id, report, self._lease)))

    def result(self, trial_id: UUID, report: TrialResult) -> ResultAnswer:
        """Count how a trial ended, once; Conflict where the lease is another's, NotFound."""
        digest = hashlib.sha256(report.model_dump_json().encode()).digest()
        counted = credible(report)
        status = self._run(
            lambda c: endings.result(c, trial_id, counted, digest, self._max_attempts)
        )
        if status is not None:
            return ResultAnswer(accepted=True, reason="" if counted is report else counted.reason)
        last = self._run(lambda c: endings.last_report(c, trial_id))
        if last is None:
            raise NotFound(f"there is no trial {trial_id}")
        if last.digest == digest:
            return ResultAnswer(accepted=True, reason="duplicate")
        raise Conflict(f"attempt {report.attempt} has no lease; the trial is {last.status}")

    def _take(self, request: LeaseRequest, trial_id: UUID | None) -> Held | None:
        taken = self._run(lambda c: leases.take(c, request, uuid4(), self._lease, trial_id))
        if not taken.has_another:
            return taken.held
        self._run(lambda c: endings.release(c, request, self._max_attempts))
        renewed = self._run(lambda c: leases.renew(c, request, self._lease))
        if renewed is not None:
            return renewed
        return self._run(lambda c: leases.take(c, request, uuid4(), self._lease, trial_id)).held

    def _order(self, held: Held) -> TrainOrder | None:
        """The order for a lease; how to train is decided now where time left matters."""
        facts = self._run(lambda c: train_orders.read(c, held.trial_id))
        if facts is None:
            return None
        spent = None
        if facts.kind is TrialKind.FINAL:
            spent = self._run(
                lambda c: compute.before(c, facts.search_id, facts.parent_id, facts.members)
            )
        gains: list[float] = []
        if facts.morphisms and facts.inherited:
            gains = self._run(lambda c: train_orders.gains_at_rung(c, facts.search_id))
        chosen = choose(facts, spent, gains)
        if chosen != facts.hyperparameters:
            seconds = None if chosen.max_seconds is None else chosen.max_seconds + GRACE
            self._run(lambda c: train_orders.settle(c, held, chosen, seconds))
        history: JsonObject = {}
        if facts.kind is TrialKind.FINAL:
            history = self._run(lambda c: model_card.history(c, facts))
        order = _train_order(held, facts, chosen, self._lease, history)
        if not facts.members:
            return order
        members = self._run(lambda c: train_orders.members(c, facts))
        return order.model_copy(update={"members": members})

    def _give_up(self, held: Held, error: Exception) -> None:
        """End a trial for which no order can be made, lest every worker asks for it for ever."""
        _log.error("no order can be made", extra={"trial_id": held.trial_id}, exc_info=error)
        reason = f"no order could be made: {type(error).__name__}: {error}"[:2000]
        failed = TrialResult(
            attempt=held.attempt,
            token=held.token,
            status=TrialStatus.FAILED,
            reason=reason,
            retry=False,
        )
        self.result(held.trial_id, failed)

    def _run(self, statement: Callable[[Connection], T]) -> T:
        return autocommit(self._engine, statement)


def credible(report: TrialResult) -> TrialResult:
    """The report, or a failure in its place where its value cannot be: accuracies are shares.

    Refusing it would have the worker report it for ever; so it costs an attempt.
    """
    needs_value = report.status is TrialStatus.COMPLETED and report.test is None
    if report.value is None and not needs_value:
        return report
    if report.value is not None and 0 <= report.value <= 1:
        return report
    reason = f"the worker reported the value {report.value}; expected one from 0 to 1"
    return report.model_copy(update={"status": TrialStatus.FAILED, "reason": reason})


def choose(
    facts: OrderContext, spent: defaults.Spent | None = None, gains: Sequence[float] = ()
) -> Hyperparameters:
    """How a trial is trained: as decided when it was made, or by the time that is left now.

    `spent` is the training before a final fit, `gains` those of earlier children at their rungs.
    """
    chosen = facts.hyperparameters
    if facts.kind is TrialKind.FINAL:
        return defaults.final_hyperparameters(
            facts.config,
            facts.dataset_spec,
            elapsed=facts.elapsed,
            inherited=facts.inherited,
            spent=spent,
            choices=facts.choices,
        )
    if chosen is None or facts.config.budget.seconds is not None:
        chosen = defaults.trial_hyperparameters(
            facts.config,
            facts.dataset_spec,
            elapsed=facts.elapsed,
            inherited=facts.inherited,
            in_race=defaults.is_in_race(
                facts.config,
                facts.dataset_spec,
                number=facts.number,
                inherited=facts.inherited,
            ),
            choices=facts.choices,
        )
    if facts.morphisms and facts.inherited and facts.parent_value is not None:
        least = halving.least_at_rung(facts.parent_value, facts.parent_value_std or 0.0, gains)
        chosen = chosen.model_copy(update={"least_at_rung": least})
    if facts.epochs_left is None:
        return chosen
    return chosen.model_copy(update={"epochs": max(1, min(chosen.epochs, facts.epochs_left))})


def trial_seed(search_seed: int, number: int) -> int:
    """The seed of a trial's weights and batches."""
    return int(np.random.SeedSequence([search_seed, number]).generate_state(1)[0] >> 1)


def _train_order(
    held: Held, facts: OrderContext, chosen: Hyperparameters, lease: timedelta, history: JsonObject
) -> TrainOrder:
    is_final = facts.kind is TrialKind.FINAL  # which is compared with its parent in any case
    inherits = (facts.inherited or is_final) and facts.parent_weights is not None
    return TrainOrder(
        search_id=facts.search_id,
        trial_id=held.trial_id,
        number=facts.number,
        kind=facts.kind,
        attempt=held.attempt,
        token=held.token,
        lease_seconds=lease.total_seconds(),
        task=facts.config.task,
        seed=trial_seed(facts.config.seed, facts.number),
        architecture=facts.architecture,
        parent_architecture=facts.parent_architecture if inherits else None,
        parent_weights=facts.parent_weights if inherits else None,
        morphisms=tuple(step["data"] for step in facts.morphisms) if inherits else (),
        dataset=facts.dataset,
        dataset_name=facts.dataset_name,
        dataset_spec=facts.dataset_spec,
        hyperparameters=chosen,
        history=history,
        fresh=is_final and not facts.inherited,
    )


def _answer(verdict: ReportVerdict | None) -> Answer:
    """Whether a worker goes on."""
    if verdict is None:
        return Answer(action=Action.ABANDON, reason="the lease is not yours any more")
    if verdict.search_status not in LIVE_SEARCH:
        reason = verdict.search_reason or f"the search is {verdict.search_status}"
        return Answer(action=Action.STOP, reason=reason)
    if verdict.late:
        return Answer(action=Action.STOP, reason="the time is up")
    return Answer()
