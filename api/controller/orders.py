"""Train orders: a worker gets a lease, and everything it needs to train the leased trial."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import ValidationError
from sqlalchemy import Connection

from api.instruments import TRIAL_WAIT
from api.store import (
    ancestors,
    final_fits,
    leases,
    leases_together,
    results,
    train_orders,
    trial_exports,
)
from api.store.leases import Held
from api.store.leases_together import LeaseCall
from api.store.missing import missing
from api.store.together import in_order
from api.store.train_orders import OrderContext
from core.errors import NetmorphError
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.fields import LONGEST_REASON, JsonObject
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.results import TrialResult
from core.protocol.contracts.train_orders import Member, TrainOrder
from core.protocol.states import TrialKind, TrialStatus
from core.search import defaults, halving, trial_training

_log = logging.getLogger(__name__)

#: The trainer keeps to its time itself; this many seconds later its worker is told to stop.
GRACE = 10.0


class ImpossibleExport(NetmorphError):
    """What is to be exported is damaged, or missing: nothing can replace it."""


def lease(
    connection: Connection,
    request: LeaseRequest,
    duration: timedelta,
    max_attempts: int,
    trial_id: UUID | None = None,
    *,
    checkpoint_seconds: float | None = None,
    key_id: UUID | None = None,
) -> TrainOrder | None:
    """An order for the trial that waits longest, or for the named one; None where none waits.

    The same request again gets the same order. The worker stores checkpoints every
    `checkpoint_seconds` or more; none without. `key_id` is the key that the request came with.

    Raises:
        NotFound: the trial is unknown.
        Forbidden: the worker belongs to another key.
    """
    held = leases.obtain(connection, request, duration, max_attempts, trial_id, key_id)
    if held is None:
        if trial_id is not None and results.last_report(connection, trial_id) is None:
            raise missing("trial", trial_id)
        return None
    found = train_orders.read(connection, [held.trial_id])
    return _order(connection, held, found, duration, checkpoint_seconds)


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """The answer to a request for any trial."""

    order: TrainOrder | None  # None: no trial waits for the worker


def lease_together(
    connection: Connection,
    calls: Sequence[LeaseCall],
    duration: timedelta,
    *,
    checkpoint_seconds: float | None = None,
) -> list[LeaseAnswer | None]:
    """The answers to several requests for any trial; None for those that are left out.

    Those have done nothing. Where it raises an error, some workers may have leases: they get the
    same ones when they ask again.
    """
    held: dict[UUID, Held | None] = {}
    for group in leases_together.by_kind(calls):
        held |= leases_together.take(connection, group, duration)
    found = train_orders.read(connection, [one.trial_id for one in held.values() if one])
    answers = {
        worker: LeaseAnswer(
            None if one is None else _order(connection, one, found, duration, checkpoint_seconds)
        )
        for worker, one in held.items()
    }
    return in_order([(call.request.worker_id, call) for call in calls], answers)


def _order(
    connection: Connection,
    held: Held,
    found: Mapping[UUID, Any],
    duration: timedelta,
    checkpoint_seconds: float | None,
) -> TrainOrder | None:
    """The order for a lease, of what was found of trials; None where there can be none."""
    if held.trial_id not in found:  # its search was deleted meanwhile
        return None
    try:
        context = train_orders.context(found[held.trial_id])
        order = _make(connection, held, context, duration)
    except ImpossibleExport as error:
        _give_up(connection, held, str(error))
        return None
    except (ValidationError, NetmorphError) as error:
        about = {"trial_id": held.trial_id, "attempt": held.attempt}
        _log.error("no order can be made", extra=about, exc_info=error)
        _give_up(connection, held, f"no order could be made: {type(error).__name__}: {error}")
        return None
    return order.model_copy(update={"checkpoint_seconds": checkpoint_seconds})


def _give_up(connection: Connection, held: Held, reason: str) -> None:
    """End a trial for which no order can be made, so that workers do not lease it forever."""
    failed = TrialResult(
        attempt=held.attempt,
        token=held.token,
        status=TrialStatus.FAILED,
        reason=reason[:LONGEST_REASON],
        retry=False,
    )
    results.accept(connection, held.trial_id, failed, max_attempts=1)


def _make(
    connection: Connection, held: Held, context: OrderContext, duration: timedelta
) -> TrainOrder:
    """The order for a lease.

    How to train is decided now where the time left matters, and kept with the trial.
    """
    TRIAL_WAIT.observe(context.waited)
    if context.kind is TrialKind.EXPORT:
        return _export_order(connection, held, context, duration)
    context = ancestors.with_intact_start(connection, held.trial_id, context)
    is_final = context.kind is TrialKind.FINAL
    spent = final_fits.spent_before(connection, context) if is_final else None
    gains: list[float] = []
    if context.morphisms and context.inherited:
        gains = train_orders.gains_at_rung(connection, context.search_id)
    chosen = continued(context, choose(context, spent, gains))
    limit, done = chosen.max_seconds, context.checkpoint
    if limit is not None or chosen != context.hyperparameters:
        begun_at = 0.0 if done is None else done.seconds
        seconds = None if limit is None else limit - begun_at + GRACE
        train_orders.settle(connection, held, chosen, seconds)
    history = final_fits.model_card(connection, context) if is_final else {}
    members = final_fits.members(connection, context) if context.members else ()
    return _train_order(held, context, chosen, duration, history, members)


def _export_order(
    connection: Connection, held: Held, context: OrderContext, duration: timedelta
) -> TrainOrder:
    """The order to export the parent of a trial as it is.

    Raises ImpossibleExport where the parent's weights or the data set are damaged.
    """
    weights = context.parent_weights
    number, key = context.parent_number or 0, None if weights is None else weights.key
    damage = trial_exports.damage(connection, number, key, context.dataset.key)
    if damage or weights is None:
        raise ImpossibleExport(damage or f"the weights of trial {number} were given up")
    chosen = choose(context).model_copy(update={"max_seconds": None})
    history = final_fits.model_card(connection, context)
    return _train_order(held, context, chosen, duration, history, ())


def choose(
    context: OrderContext, spent: trial_training.Spent | None = None, gains: Sequence[float] = ()
) -> Hyperparameters:
    """How a trial is trained: as decided when it was made, or by the time that is left now.

    `spent` is the training before a final fit, `gains` are those of earlier children at their
    rungs.
    """
    chosen = context.hyperparameters
    if context.kind is TrialKind.FINAL:
        return trial_training.final_hyperparameters(
            context.config,
            context.dataset_spec,
            elapsed=context.elapsed,
            inherited=context.inherited,
            spent=spent,
            choices=context.choices,
            slowness=context.slowness,
        )
    if chosen is not None and context.kind is TrialKind.EXPORT:
        return chosen
    if chosen is None or context.config.budget.seconds is not None:
        chosen = trial_training.trial_hyperparameters(
            context.config,
            context.dataset_spec,
            elapsed=context.elapsed,
            inherited=context.inherited,
            morphed=bool(context.morphisms),
            in_race=defaults.is_in_race(
                context.config,
                context.dataset_spec,
                number=context.number,
                inherited=context.inherited,
            ),
            choices=context.choices,
            slowness=context.slowness,
        )
    if context.morphisms and context.inherited and context.parent_value is not None:
        least = halving.least_at_rung(context.parent_value, context.parent_value_std or 0.0, gains)
        chosen = chosen.model_copy(update={"least_at_rung": least})
    if context.epochs_left is None:
        return chosen
    return chosen.model_copy(update={"epochs": max(1, min(chosen.epochs, context.epochs_left))})


def continued(context: OrderContext, chosen: Hyperparameters) -> Hyperparameters:
    """How a training that has a checkpoint goes on: as it began, in the time and epochs left.

    `chosen` is how it would be trained from its beginning.
    """
    begun, done = context.hyperparameters, context.checkpoint
    if begun is None or done is None:
        return chosen
    changes: dict[str, float | int] = {}
    if begun.max_seconds is not None and chosen.max_seconds is not None:
        changes["max_seconds"] = min(begun.max_seconds, done.seconds + chosen.max_seconds)
    if context.epochs_left is not None:
        changes["epochs"] = min(begun.epochs, done.epoch + max(0, context.epochs_left))
    return begun.model_copy(update=changes)


def trial_seed(search_seed: int, number: int) -> int:
    """The seed of a trial's weights and batches."""
    return int(np.random.SeedSequence([search_seed, number]).generate_state(1)[0] >> 1)


def _train_order(
    held: Held,
    context: OrderContext,
    chosen: Hyperparameters,
    duration: timedelta,
    history: JsonObject,
    members: tuple[Member, ...],
) -> TrainOrder:
    is_final = context.kind is TrialKind.FINAL  # compared with its parent in any case
    is_export = context.kind is TrialKind.EXPORT
    number = context.parent_number or 0 if is_export else context.number
    inherits = (context.inherited or is_final) and context.parent_weights is not None
    start = _start(context, inherits=inherits)
    return TrainOrder(
        search_id=context.search_id,
        trial_id=held.trial_id,
        number=number,
        kind=context.kind,
        attempt=held.attempt,
        token=held.token,
        lease_seconds=duration.total_seconds(),
        task=context.config.task,
        metric=context.config.metric,
        seed=trial_seed(context.config.seed, number),
        architecture=context.architecture,
        parent_architecture=start.architecture,
        parent_weights=start.weights,
        raw_inputs=start.raw_inputs,
        morphisms=tuple(step["data"] for step in context.morphisms) if inherits else (),
        dataset=context.dataset,
        dataset_name=context.dataset_name,
        dataset_spec=context.dataset_spec,
        hyperparameters=chosen,
        history=history,
        fresh=is_final and not context.inherited,
        members=members,
        checkpoint=context.checkpoint,
        traceparent=context.traceparent,
        int8=(is_final or is_export) and bool(context.config.int8),
        gathers_epochs=True,
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """The network whose weights a trial starts from, if any."""

    architecture: JsonObject | None = None
    weights: BlobRef | None = None
    raw_inputs: bool = False


def _start(context: OrderContext, *, inherits: bool) -> _Start:
    if inherits:
        return _Start(context.parent_architecture, context.parent_weights)
    if context.root is not None:
        return _Start(context.root.architecture, context.root.weights, raw_inputs=True)
    return _Start()
