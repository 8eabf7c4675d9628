"""How much of a search's training went into the network that it exports.

That network was trained for the seconds of its own trial, and of each trial whose weights it
inherited, from parent to parent. Seconds of a trial are those of the attempt that counted.
"""

from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from core.plan import Spent

# From the last trials of lines back to the first, whose weights began at random. Where the
# winner's own weights are exported, the seconds of the final fit are in no exported network.
_LINE = """
line AS (
    SELECT id, search_id, parent_id,
        inherited OR comparison->>'exported' = 'winner' AS inherited,
        CASE WHEN comparison->>'exported' = 'winner' THEN 0 ELSE seconds END AS seconds, epochs
    FROM trials WHERE {last}
    UNION ALL
    SELECT trials.id, trials.search_id, trials.parent_id, trials.inherited, trials.seconds,
        trials.epochs
    FROM trials JOIN line ON trials.id = line.parent_id AND line.inherited
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
    WHERE search_id IN (SELECT search_id FROM counted) GROUP BY search_id
)
SELECT search_id, coalesce(counted.seconds, 0) / total.seconds AS share
FROM counted JOIN total USING (search_id) WHERE total.seconds > 0"""
)
_BEFORE = text(
    "WITH RECURSIVE "
    + _LINE.format(last="id = :parent_id")
    + """
SELECT
    coalesce(lineage.seconds, 0) AS in_lineage, coalesce(total.seconds, 0) AS total,
    coalesce(lineage.epochs, 0) AS epochs_in_lineage
FROM (SELECT sum(seconds) AS seconds, sum(epochs) AS epochs FROM line) AS lineage,
    (SELECT sum(seconds) AS seconds FROM trials
        WHERE search_id = :search_id AND kind = 'search') AS total"""
)


def shares(session: Session, search_ids: list[UUID]) -> dict[UUID, float]:
    """Of each search that exports a network, the share of all its seconds that went into it."""
    rows = session.execute(_SHARES, {"search_ids": search_ids})
    return {row.search_id: row.share for row in rows}


def before(connection: Connection, search_id: UUID, parent_id: UUID | None) -> Spent:
    """What a search spent before its final fit, which inherits the weights of this parent."""
    values = {"search_id": search_id, "parent_id": parent_id}
    row = connection.execute(_BEFORE, values).one()
    return Spent(
        in_lineage=row.in_lineage, total=row.total, epochs_in_lineage=int(row.epochs_in_lineage)
    )
