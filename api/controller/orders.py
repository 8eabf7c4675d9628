"""Train orders: everything a worker needs to train the trial that it has leased."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, Engine

from api.db import autocommit
from api.store import compute, train_orders
from api.store.leases import Held
from api.store.train_orders import OrderContext
from core.protocol.contracts import Hyperparameters, JsonObject, Member, TrainOrder
from core.protocol.states import TrialKind
from core.search import defaults, halving

#: The trainer keeps to its time itself; this many seconds later its worker is told to stop.
GRACE = 10.0

T = TypeVar("T")


def make(engine: Engine, held: Held, lease: timedelta) -> TrainOrder | None:
    """The order for a lease; None where its search was deleted meanwhile.

    How to train is decided now where the time left matters, and kept with the trial.
    """

    def run(statement: Callable[[Connection], T]) -> T:
        return autocommit(engine, statement)

    context = run(lambda c: train_orders.read(c, held.trial_id))
    if context is None:
        return None
    is_final = context.kind is TrialKind.FINAL
    spent = run(lambda c: _spent(c, context)) if is_final else None
    gains: list[float] = []
    if context.morphisms and context.inherited:
        gains = run(lambda c: train_orders.gains_at_rung(c, context.search_id))
    chosen = choose(context, spent, gains)
    if chosen != context.hyperparameters:
        seconds = None if chosen.max_seconds is None else chosen.max_seconds + GRACE
        run(lambda c: train_orders.settle(c, held, chosen, seconds))
    history = run(lambda c: model_card(c, context)) if is_final else {}
    members = run(lambda c: train_orders.members(c, context)) if context.members else ()
    return _train_order(held, context, chosen, lease, history, members)


def _spent(connection: Connection, context: OrderContext) -> defaults.Spent:
    """What the search spent before this final fit."""
    return compute.before(connection, context.search_id, context.parent_id, context.members)


def choose(
    context: OrderContext, spent: defaults.Spent | None = None, gains: Sequence[float] = ()
) -> Hyperparameters:
    """How a trial is trained: as decided when it was made, or by the time that is left now.

    `spent` is the training before a final fit, `gains` are those of earlier children at their
    rungs.
    """
    chosen = context.hyperparameters
    if context.kind is TrialKind.FINAL:
        return defaults.final_hyperparameters(
            context.config,
            context.dataset_spec,
            elapsed=context.elapsed,
            inherited=context.inherited,
            spent=spent,
            choices=context.choices,
        )
    if chosen is None or context.config.budget.seconds is not None:
        chosen = defaults.trial_hyperparameters(
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
        )
    if context.morphisms and context.inherited and context.parent_value is not None:
        least = halving.least_at_rung(context.parent_value, context.parent_value_std or 0.0, gains)
        chosen = chosen.model_copy(update={"least_at_rung": least})
    if context.epochs_left is None:
        return chosen
    return chosen.model_copy(update={"epochs": max(1, min(chosen.epochs, context.epochs_left))})


def trial_seed(search_seed: int, number: int) -> int:
    """The seed of a trial's weights and batches."""
    return int(np.random.SeedSequence([search_seed, number]).generate_state(1)[0] >> 1)


def _train_order(
    held: Held,
    context: OrderContext,
    chosen: Hyperparameters,
    lease: timedelta,
    history: JsonObject,
    members: tuple[Member, ...],
) -> TrainOrder:
    is_final = context.kind is TrialKind.FINAL  # compared with its parent in any case
    inherits = (context.inherited or is_final) and context.parent_weights is not None
    return TrainOrder(
        search_id=context.search_id,
        trial_id=held.trial_id,
        number=context.number,
        kind=context.kind,
        attempt=held.attempt,
        token=held.token,
        lease_seconds=lease.total_seconds(),
        task=context.config.task,
        seed=trial_seed(context.config.seed, context.number),
        architecture=context.architecture,
        parent_architecture=context.parent_architecture if inherits else None,
        parent_weights=context.parent_weights if inherits else None,
        morphisms=tuple(step["data"] for step in context.morphisms) if inherits else (),
        dataset=context.dataset,
        dataset_name=context.dataset_name,
        dataset_spec=context.dataset_spec,
        hyperparameters=chosen,
        history=history,
        fresh=is_final and not context.inherited,
        members=members,
    )


def model_card(connection: Connection, context: OrderContext) -> JsonObject:
    """What the exported model's card says of the search that led to this final fit."""
    inherits = context.inherited and context.parent_weights is not None
    parent, members = (context.parent_id, context.members) if inherits else (None, [])
    spent = compute.before(connection, context.search_id, parent, members)
    alone = compute.before(connection, context.search_id, parent) if members else spent
    completed, inherited = train_orders.tallies(connection, context.search_id)
    origin = context.parent_id
    lineage = [] if origin is None else train_orders.lineage(connection, origin)
    return {
        "search": context.search_name,
        "of_number": context.parent_number,
        "members": context.members,
        "validation": context.parent_value,
        "validation_std": context.parent_value_std,
        "trials_completed": completed,
        "trials_inherited": inherited,
        "lineage": lineage,
        "seconds_in_lineage": spent.in_lineage,
        "seconds_in_winner": alone.in_lineage,
        "seconds_total": spent.total,
        "strategy": context.config.strategy,
        "seed": context.config.seed,
        "created": context.created_at.isoformat(),
    }
