"""Where a trial starts whose parent's weights are damaged: its nearest intact ancestor, or nowhere.

The morphisms from the ancestor to the trial are those of all trials between them, in their order.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, exists, select, text, update

from api.models.blobs import Damaged
from api.models.trials import Trial
from api.store import blobs
from api.store.train_orders import OrderContext
from core.protocol.states import TrialKind

_LINE = text("""
WITH RECURSIVE line AS (
    SELECT trials.*, 0 AS distance FROM trials WHERE id = :parent_id
    UNION ALL
    SELECT trials.*, distance + 1 FROM trials JOIN line ON trials.id = line.parent_id
    WHERE line.inherited
)
SELECT number, architecture, morphisms, inherited, value, value_std, weights_key, weights_bytes,
    weights_key IS NOT NULL
        AND NOT EXISTS (SELECT FROM damaged WHERE blob_key = weights_key) AS is_intact
FROM line ORDER BY distance
""")


def with_intact_start(
    connection: Connection, trial_id: UUID, context: OrderContext
) -> OrderContext:
    """The context, with another start where weights that it needs are damaged.

    The trial's row says so, too (`remark`).
    """
    if context.kind is TrialKind.FINAL and context.members and _any_damaged(connection, context):
        return _from_scratch(connection, trial_id, context)
    if not context.parent_damaged:
        return context
    morphisms = context.morphisms
    for row in connection.execute(_LINE, {"parent_id": context.parent_id}):
        if row.is_intact:
            remark = f"started from trial {row.number}, as the weights of {_parent(context)}"
            _note(connection, trial_id, f"{remark} are damaged", inherited=context.inherited)
            return _from_ancestor(context, row, morphisms)
        morphisms = [*row.morphisms, *morphisms]
    return _from_scratch(connection, trial_id, context)


def _from_ancestor(
    context: OrderContext, row: Any, morphisms: list[dict[str, Any]]
) -> OrderContext:
    return replace(
        context,
        parent_architecture=row.architecture,
        parent_weights=blobs.reference(row.weights_key, row.weights_bytes),
        parent_value=row.value,
        parent_value_std=row.value_std,
        morphisms=morphisms,
    )


def _from_scratch(connection: Connection, trial_id: UUID, context: OrderContext) -> OrderContext:
    remark = f"started from random weights, as those of {_parent(context)} are damaged"
    _note(connection, trial_id, remark, inherited=False)
    return replace(
        context, inherited=False, parent_architecture=None, parent_weights=None, morphisms=[]
    )


def _parent(context: OrderContext) -> str:
    if context.members:
        return f"trials {', '.join(map(str, context.members))}"
    return f"trial {context.parent_number}"


def _note(connection: Connection, trial_id: UUID, remark: str, *, inherited: bool) -> None:
    values = {"remark": remark, "inherited": inherited}
    connection.execute(update(Trial).where(Trial.id == trial_id).values(values))


def _any_damaged(connection: Connection, context: OrderContext) -> bool:
    """Whether the weights of a member of an ensemble are damaged."""
    statement = select(Trial.id).where(
        Trial.search_id == context.search_id,
        Trial.number.in_(context.members),
        exists().where(Damaged.blob_key == Trial.weights_key),
    )
    return connection.execute(statement).first() is not None
