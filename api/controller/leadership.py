"""Leadership: of several API processes one decides at a time, by a lease in Postgres."""

import time
from uuid import uuid4

from sqlalchemy import Engine

from api import db
from api.store import leader


class Leadership:
    """This process' lease; its own clock can only make it ask the database sooner."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._holder = uuid4()
        self._trusted_until = 0.0

    def is_held(self) -> bool:
        """Whether this controller decides now; it asks the database every third of the lease."""
        now = time.monotonic()
        if now < self._trusted_until:
            return True
        held = db.autocommit(self._engine, lambda c: leader.acquire(c, self._holder, self._seconds))
        self._trusted_until = now + self._seconds / 3 if held else 0.0
        return held

    def resign(self) -> None:
        """Give up the lease, so that another controller can decide at once."""
        self._trusted_until = 0.0
        db.autocommit(self._engine, lambda c: leader.resign(c, self._holder))
