"""How much of a search's training time went into the network that it exports.

That network was trained for the seconds of its own trial, and of each trial whose weights it
inherited, from parent to parent; an ensemble for those of all its networks. The seconds of a trial
are those of the attempt that counted.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from core.search.trial_training import (
    Spent,
)

# Each line goes from its last trial back to its first, whose weights began at random. A final fit
# that joins several trials has a line for each; a trial in several lines counts once. Where the
# winner's own weights are exported, the seconds of the final fit are in no exported network.
_LINE = """
line AS (
    SELECT id, search_id, epochs,
        CASE WHEN is_winner THEN ARRAY[parent_id] WHEN inherited THEN parent_id || joined END
            AS sources,
        CASE WHEN is_winner THEN 0 ELSE seconds END AS seconds
    FROM trials CROSS JOIN LATERAL (
        SELECT comparison->>'exported' IS NOT DISTINCT FROM 'winner' AS is_winner, ARRAY(
            SELECT one.id FROM trials AS one
            WHERE one.search_id = trials.search_id AND trials.members @> to_jsonb(one.number)
                AND trials.members <> '[]' AND one.id <> trials.parent_id
        ) AS joined
    ) AS how
    WHERE {last}
    UNION
    SELECT trials.id, trials.search_id, trials.epochs,
        CASE WHEN trials.inherited THEN ARRAY[trials.parent_id] END, trials.seconds
    FROM line JOIN trials ON trials.id = ANY(line.sources)
)"""
_SHARES = text(
    "WITH RECURSIVE "
    + _LINE.format(
        last="kind = 'final' AND export_key IS NOT NULL AND search_id = ANY(:search_ids)"
    )
    + """, counted AS (
    SELECT search_id, sum(seconds) AS seconds FROM line GROUP BY search_id
), total AS (
    SELECT search_id, sum(seconds) AS seconds FROM trials
    WHERE search_id IN (SELECT search_id FROM counted) AND kind <> 'export' GROUP BY search_id
)
SELECT search_id, coalesce(counted.seconds, 0) / total.seconds AS share
FROM counted JOIN total USING (search_id) WHERE total.seconds > 0"""
)
_BEFORE = text(
    "WITH RECURSIVE "
    + _LINE.format(last="id = :parent_id OR (search_id = :search_id AND number = ANY(:members))")
    + """
SELECT
    coalesce(lineage.seconds, 0) AS in_lineage, coalesce(total.seconds, 0) AS total,
    coalesce(lineage.epochs, 0) AS epochs_in_lineage
FROM (SELECT sum(seconds) AS seconds, sum(epochs) AS epochs FROM line) AS lineage,
    (SELECT sum(seconds) AS seconds FROM trials
        WHERE search_id = :search_id AND kind = 'search') AS total"""
)


def shares(session: Session, search_ids: list[UUID]) -> dict[UUID, float]:
    """By search: the share of its training seconds that went into the network it exports."""
    rows = session.execute(_SHARES, {"search_ids": search_ids})
    return {row.search_id: row.share for row in rows}


def before(
    connection: Connection, search_id: UUID, parent_id: UUID | None, members: Sequence[int] = ()
) -> Spent:
    """The training before a final fit that inherits the weights of this parent.

    `members` are the numbers of all the trials whose weights an ensemble inherits.
    """
    values = {"search_id": search_id, "parent_id": parent_id, "members": list(members)}
    row = connection.execute(_BEFORE, values).one()
    return Spent(
        in_lineage=row.in_lineage,
        total=row.total,
        epochs_in_lineage=int(row.epochs_in_lineage) // max(1, len(members)),
    )
