"""The database's clock, the only one by which times of rows are compared, and its jumps back.

After a jump back (a wrong clock that was corrected) rows have times in the future: waiting trials
that nobody may take, leases that do not run out, a leader that has gone but still leads. A time
that is further ahead than any pause lasts is set to now. After a jump forward everything is due,
and silent workers have their time to be heard again (`api.store.endings`).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Function, func, select, text
from sqlalchemy.orm import Session

from api.models.searches import Search
from api.models.trials import Trial

FARTHEST = timedelta(minutes=5)  # no pause of a trial or a worker lasts longer
_AHEAD = f"interval '{FARTHEST}'"

SETTLE = text(f"""
WITH waiting AS (
    UPDATE trials SET available_at = now(), ring_at = now()
    WHERE status = 'waiting' AND available_at > now() + {_AHEAD}
), leased AS (
    UPDATE leases
    SET expires_at = now() + (expires_at - heard_at), heard_at = now(), silent_at = NULL
    WHERE heard_at > now() + {_AHEAD} OR silent_at > now() + {_AHEAD}
), seen AS (
    UPDATE workers SET seen_at = least(seen_at, now()), resting_until = least(resting_until, now())
    WHERE seen_at > now() + {_AHEAD} OR resting_until > now() + {_AHEAD}
), led AS (
    UPDATE leader SET since = now() WHERE since > now() + {_AHEAD}
), claimed AS (
    UPDATE deliveries SET claimed_until = NULL, due_at = now()
    WHERE status = 'pending' AND (claimed_until > now() + {_AHEAD}
        OR attempts = 0 AND due_at > now() + {_AHEAD})
), heard AS (
    UPDATE operations SET heard_at = now()
    WHERE status = 'running' AND heard_at > now() + {_AHEAD}
)
UPDATE searches SET started_at = now()
WHERE status IN ('running', 'paused', 'finishing') AND started_at > now() + {_AHEAD}
""")


def now(session: Session) -> datetime:
    """The time on the database's clock, which also sets the times of rows."""
    moment: datetime = session.execute(select(func.now())).scalar_one()
    return moment


def end_of(row: type[Search | Trial]) -> Function[Any]:
    """The time at which a row ends now, in SQL: never before it was made or started.

    `now()` is the begin of the transaction; while it waited for the row, another one may have
    started what it ends.
    """
    return func.greatest(func.now(), row.created_at, row.started_at)


def settle(connection: Connection) -> None:
    """Bring times of rows that are far in the future, as after a jump of the clock, to now."""
    connection.execute(SETTLE)
