"""The leader among several controllers: a lease on one row, by the database's clock.

It saves API processes from doing the same work twice. Correctness never depends on it, as the
statement that writes a decision checks the state that the decision was based on.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, and_, case, delete, func, or_
from sqlalchemy.dialects.postgresql import insert

from api.models.leases import Leader
from api.store.clock import FARTHEST

#: A leadership that has expired for longer has a gap; a thread on a busy machine may be late.
ABSENCE = timedelta(seconds=10)


def acquire(connection: Connection, holder: UUID, seconds: float) -> bool:
    """Take or renew the leadership; False while another holds it.

    It begins again (`since`) where another had it, or after an absence, as while the database could
    not be reached.
    """
    until = func.now() + timedelta(seconds=seconds)
    absent_since = func.now() - max(ABSENCE, timedelta(seconds=seconds))
    goes_on = and_(Leader.holder == holder, Leader.expires_at >= absent_since)
    since = case((goes_on, Leader.since), else_=func.now())
    statement = (
        insert(Leader)
        .values(id=1, holder=holder, expires_at=until)
        .on_conflict_do_update(
            index_elements=[Leader.id],
            set_={"holder": holder, "expires_at": until, "since": since},
            where=or_(
                Leader.holder == holder,
                Leader.expires_at < func.now(),
                Leader.expires_at > until + FARTHEST,  # the clock has jumped back
            ),
        )
        .returning(Leader.holder)
    )
    return connection.execute(statement).scalar_one_or_none() is not None


def resign(connection: Connection, holder: UUID) -> None:
    """Give up the leadership, if this controller has it."""
    connection.execute(delete(Leader).where(Leader.holder == holder))
