"""Sending the deliveries that are due, in a thread of its own, in every API process."""

import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.db import unit_of_work
from api.store import deliveries

if TYPE_CHECKING:
    from api.controller.webhook_sender import WebhookSender

_log = logging.getLogger(__name__)
_BATCH = 16  # deliveries that are sent at the same time
_EVERY = 5.0  # seconds between two looks, unless woken
_LEAST = 0.5  # seconds between two looks, although each turn of the controller wakes it
_PAUSE = 5.0  # seconds after an error
SECONDS = 10.0  # for one delivery, from the name to the answer


class Deliverer:
    """Sends what is due, claimed in a transaction before and recorded in one afterwards."""

    def __init__(
        self, sessions: sessionmaker[Session], *, private: bool, seconds: float = SECONDS
    ) -> None:
        self._sessions = sessions
        self._private = private
        self._seconds = seconds
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliverer", daemon=True)

    @cached_property
    def _sender(self) -> "WebhookSender":
        """Made for the first delivery: few services send any, and all would wait for imports."""
        from api.controller.webhook_sender import WebhookSender  # noqa: PLC0415

        return WebhookSender(private=self._private, seconds=self._seconds)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the batch that it is sending."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if "_sender" in vars(self):
            self._sender.close()

    def wake(self) -> None:
        """Look for deliveries that are due, soon."""
        self._woken.set()

    def deliver_due(self) -> bool:
        """Send one batch; return whether more may be due."""
        with unit_of_work(self._sessions) as session:
            batch = deliveries.claim(session, _BATCH)
        if not batch:
            return False
        outcomes = self._sender.send(batch)
        with unit_of_work(self._sessions) as session:
            for claimed, outcome in zip(batch, outcomes, strict=True):
                deliveries.record(session, claimed, outcome)
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and self.deliver_due():
                    pass
            except SQLAlchemyError as error:
                _log.warning("cannot read or record deliveries: %s", error)
                self._stopping.wait(_PAUSE)
            except Exception:  # one delivery must not end those of all
                _log.exception("unexpected error")
                self._stopping.wait(_PAUSE)
            self._stopping.wait(_LEAST)
            self._woken.wait(_EVERY)
            self._woken.clear()
