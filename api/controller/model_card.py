"""How a search came to its final fit: the facts that go into the exported model's card."""

from sqlalchemy import Connection

from api.store import compute, train_orders
from api.store.train_orders import OrderContext
from core.protocol.contracts import JsonObject


def history(connection: Connection, facts: OrderContext) -> JsonObject:
    """What the card tells of the search behind a final fit."""
    inherits = facts.inherited and facts.parent_weights is not None
    parent, members = (facts.parent_id, facts.members) if inherits else (None, [])
    spent = compute.before(connection, facts.search_id, parent, members)
    alone = compute.before(connection, facts.search_id, parent) if members else spent
    completed, inherited = train_orders.tallies(connection, facts.search_id)
    lineage = [] if facts.parent_id is None else train_orders.lineage(connection, facts.parent_id)
    return {
        "search": facts.search_name,
        "of_number": facts.parent_number,
        "members": facts.members,
        "validation": facts.parent_value,
        "validation_std": facts.parent_value_std,
        "trials_completed": completed,
        "trials_inherited": inherited,
        "lineage": lineage,
        "seconds_in_lineage": spent.in_lineage,
        "seconds_in_winner": alone.in_lineage,
        "seconds_total": spent.total,
        "strategy": facts.config.strategy,
        "seed": facts.config.seed,
        "created": facts.created_at.isoformat(),
    }
