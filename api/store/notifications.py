"""Versions and notifications: how readers and controllers learn that something changed.

A statement that changes a search, its trials or their epochs raises the search's version and
notifies `CHANGES` with its id; where there may be something to decide, also `WORK`. Both reach
their listeners when the transaction commits, never before. A heartbeat does neither.
"""

from uuid import UUID

from sqlalchemy import Connection, String, cast, func, select, update
from sqlalchemy.orm import Session

from api.db import will_wake
from api.models.searches import Version

CHANGES = "netmorph_changes"  # payload: the search's id, or EVERYBODY
EVERYBODY = UUID(int=0)  # all readers look again, as one may have lost its access
WORK = "netmorph_work"  # no payload: the controllers look for something to decide


def changed(session: Session, search_id: UUID) -> None:
    """Raise the version of a search and wake its readers and the controllers."""
    raised = (
        update(Version)
        .where(Version.search_id == search_id)
        .values(version=Version.version + 1)
        .returning(Version.search_id)
        .cte("bumped")
    )
    notified = select(
        func.pg_notify(CHANGES, cast(raised.c.search_id, String)), func.pg_notify(WORK, "")
    )
    session.execute(notified)
    will_wake(session)


def access_changed(session: Session) -> None:
    """Wake all readers: those whose key or session has ended see nothing more."""
    session.execute(select(func.pg_notify(CHANGES, str(EVERYBODY))))


def notify_controllers(connection: Connection) -> None:
    """Wake the controllers."""
    connection.execute(select(func.pg_notify(WORK, "")))
