"""Telling others that something changed: versions for readers, a bell for the controllers.

Whoever changes a search, its trials or their epochs raises the search's version and notifies
`CHANGES` with its id; where there may be something to decide, also `WORK`. Both reach listeners
when the transaction commits, never before. A heartbeat changes nothing that these speak of.
"""

from uuid import UUID

from sqlalchemy import Connection, String, cast, func, select, update
from sqlalchemy.orm import Session

from api.db import will_wake
from api.models import Version

CHANGES = "netmorph_changes"  # payload: the search's id
WORK = "netmorph_work"  # no payload: controllers look what there is to decide


def changed(session: Session, search_id: UUID) -> None:
    """Raise the version of a search and wake its readers and the controllers."""
    raised = (
        update(Version)
        .where(Version.search_id == search_id)
        .values(version=Version.version + 1)
        .returning(Version.search_id)
        .cte("bumped")
    )
    told = select(
        func.pg_notify(CHANGES, cast(raised.c.search_id, String)), func.pg_notify(WORK, "")
    )
    session.execute(told)
    will_wake(session)


def ring(connection: Connection) -> None:
    """Wake the controllers."""
    connection.execute(select(func.pg_notify(WORK, "")))
