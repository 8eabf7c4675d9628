"""Final fits: what their orders say beside those of other trials: members and the model's card."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select, text

from api.models.trials import Trial
from api.models.workers import Worker
from api.store import blobs, compute, kept
from api.store.train_orders import OrderContext
from core.protocol.contracts.fields import JsonObject
from core.protocol.contracts.train_orders import Member
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialKind, TrialStatus
from core.search.lineage import continuing
from core.search.trial_training import (
    Spent,
)
from core.tasks import measured


def spent_before(connection: Connection, context: OrderContext) -> Spent:
    """What the search spent before this final fit."""
    return compute.before(connection, context.search_id, context.parent_id, context.members)


def members(connection: Connection, context: OrderContext) -> tuple[Member, ...]:
    """The networks that a final fit joins, in their order."""
    columns = (Trial.number, Trial.architecture, Trial.weights_key, Trial.weights_bytes)
    statement = select(*columns).where(
        Trial.search_id == context.search_id, Trial.number.in_(context.members)
    )
    rows = sorted(connection.execute(statement), key=lambda row: context.members.index(row.number))
    return tuple(
        Member.model_validate(
            {
                "architecture": row.architecture,
                "weights": blobs.reference(row.weights_key, row.weights_bytes),
            }
        )
        for row in rows
    )


def model_card(connection: Connection, context: OrderContext) -> JsonObject:
    """What the exported model's card says of the search that led to this final fit or export."""
    inherits = context.inherited and context.parent_weights is not None
    parent, members = (context.parent_id, context.members) if inherits else (None, [])
    spent = compute.before(connection, context.search_id, parent, members)
    alone = compute.before(connection, context.search_id, parent) if members else spent
    completed, inherited = tallies(connection, context.search_id)
    origin = context.parent_id
    given = context.config.root is not None
    line = [] if origin is None else lineage(connection, origin, given=given)
    value = context.parent_value
    is_final = context.kind is TrialKind.FINAL
    found = kept.sentences(connection, [context.search_id]) if is_final else {}
    return {
        "search": context.search_name,
        "search_id": str(context.search_id),
        "config": context.config.model_dump(mode="json", exclude_none=True),
        "of_number": context.parent_number,
        "members": context.members,
        "validation": value if value is None else measured(context.config).of_objective(value),
        "validation_std": context.parent_value_std,
        "trials_completed": completed,
        "trials_inherited": inherited,
        "lineage": line,
        "seconds_in_lineage": spent.in_lineage,
        "seconds_in_winner": alone.in_lineage,
        "seconds_total": spent.total,
        "kept": found.get(context.search_id, ""),
        "strategy": context.config.strategy,
        "seed": context.config.seed,
        "created": context.created_at.isoformat(),
        **_measured_latency(connection, origin),
    }


def _measured_latency(connection: Connection, trial_id: UUID | None) -> JsonObject:
    """The seconds for one example that a trial was measured with, and on what; empty if unknown."""
    statement = (
        select(Trial.latency, Trial.precision, Worker.device)
        .outerjoin(Worker, Worker.id == Trial.worker_id)
        .where(Trial.id == trial_id, Trial.latency.is_not(None))
    )
    row = connection.execute(statement).one_or_none()
    return {} if row is None else dict(row._mapping)


_LINEAGE = text("""
WITH RECURSIVE line AS (
    SELECT id, parent_id, number, morphisms, choices FROM trials WHERE id = :trial_id
    UNION ALL
    SELECT trials.id, trials.parent_id, trials.number, trials.morphisms, trials.choices
    FROM trials JOIN line ON trials.id = line.parent_id
)
SELECT line.number, line.morphisms, line.choices, parent.number AS parent_number
FROM line LEFT JOIN line AS parent ON parent.id = line.parent_id ORDER BY line.number
""")


def lineage(connection: Connection, trial_id: UUID, *, given: bool = False) -> list[str]:
    """A trial's lineage in words, the root first, which may be the network `given` by a user."""
    words = []
    for row in connection.execute(_LINEAGE, {"trial_id": trial_id}):
        steps = "; ".join(step["text"] for step in row.morphisms)
        words.append(f"trial {row.number}: {steps or _beginning(row, given)}")
    return words


def _beginning(row: Any, given: bool) -> str:
    """The origin of a trial without morphisms, in words."""
    if row.parent_number is None:
        return "the given network" if given else "a root"
    return continuing(row.parent_number, str(TrainingChoices.model_validate(row.choices)))


def tallies(connection: Connection, search_id: UUID) -> tuple[int, int]:
    """Completed search trials, and how many of them started from inherited weights."""
    statement = select(func.count(), func.count().filter(Trial.inherited)).where(
        Trial.search_id == search_id,
        Trial.kind == TrialKind.SEARCH,
        Trial.status == TrialStatus.COMPLETED,
    )
    completed, inherited = connection.execute(statement).one()
    return completed, inherited
