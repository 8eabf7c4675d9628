"""What a search that keeps the accuracy of its root has found, in words."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from core.protocol.contracts.search_config import Cost, SearchConfig
from core.tasks import measured

_FOUND = text("""
SELECT searches.id, searches.config, best.number, best.fingerprint = root.fingerprint AS is_root,
    best.value, best.value_std, best.parameters, best.flops, best.latency,
    root.value AS root_value, root.value_std AS root_std, root.parameters AS root_parameters,
    root.flops AS root_flops, root.latency AS root_latency
FROM searches JOIN networks ON networks.id = searches.root_id
    JOIN trials AS final ON final.search_id = searches.id AND final.kind = 'final'
    JOIN trials AS best ON best.id = final.parent_id
    JOIN LATERAL (
        SELECT * FROM trials
        WHERE search_id = searches.id AND kind = 'search' AND value IS NOT NULL
            AND fingerprint = networks.fingerprint
        ORDER BY value DESC, number LIMIT 1
    ) AS root ON true
WHERE searches.id = ANY(:ids) AND searches.config ->> 'keep_accuracy' = 'true'
    AND best.value IS NOT NULL
""")
_UNITS = {Cost.PARAMETERS: "parameters", Cost.FLOPS: "FLOPs", Cost.LATENCY: "ms for one example"}


def sentences(connection: Session | Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """For each search with a final fit: which network keeps the accuracy of its root."""
    if not ids:
        return {}
    return {row.id: _sentence(row) for row in connection.execute(_FOUND, {"ids": list(ids)})}


def _sentence(row: Any) -> str:
    config = SearchConfig.model_validate(row.config)
    task, cost = measured(config), config.cost or Cost.PARAMETERS
    root = task.in_words(task.of_objective(row.root_value), row.root_std)
    root_cost = _cost(cost, row.root_parameters, row.root_flops, row.root_latency)
    if row.is_root:
        return (
            f"no smaller or faster network keeps the {task.metric} of the root within noise: "
            f"{root} with {root_cost}"
        )
    value = task.in_words(task.of_objective(row.value), row.value_std)
    found = _cost(cost, row.parameters, row.flops, row.latency)
    return (
        f"trial {row.number} keeps the {task.metric} of the root within noise: {value} with "
        f"{found}; the root has {root} with {root_cost}"
    )


def _cost(cost: Cost, parameters: int, flops: int, latency: float | None) -> str:
    """A cost with its unit."""
    if cost is Cost.LATENCY:
        return "an unknown latency" if latency is None else f"{1000 * latency:.3g} {_UNITS[cost]}"
    return f"{parameters if cost is Cost.PARAMETERS else flops:,} {_UNITS[cost]}"
