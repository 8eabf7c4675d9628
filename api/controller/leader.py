"""Being the one controller that decides, as long as the database says so."""

import time
from uuid import uuid4

from sqlalchemy import Engine

from api.db import autocommit
from api.store import leader


class Leadership:
    """This process' part in the election; the monotonic clock only makes it doubt sooner."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._holder = uuid4()
        self._trusted_until = 0.0

    def is_held(self) -> bool:
        """Whether this controller decides now; asks the database only when it must."""
        now = time.monotonic()
        if now < self._trusted_until:
            return True
        held = autocommit(self._engine, lambda c: leader.acquire(c, self._holder, self._seconds))
        self._trusted_until = now + self._seconds / 3 if held else 0.0
        return held

    def resign(self) -> None:
        """Let another controller decide at once."""
        self._trusted_until = 0.0
        autocommit(self._engine, lambda c: leader.resign(c, self._holder))
