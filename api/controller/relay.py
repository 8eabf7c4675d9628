"""Sending train orders to the broker, in a thread of its own.

Orders leave after the commit that made their trials, never from a request or a transaction. While
the broker is down, full or frozen, only this thread waits, and no longer than its timeouts.
"""

import logging
import threading
from functools import partial
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.db import autocommit
from api.store import dispatch
from core.protocol.queue import QUEUE, TRAIN_JOB, celery_config

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0  # seconds between attempts to reach a broker that is down


class Relay:
    """Sends the orders that are due whenever it is woken."""

    def __init__(self, broker_url: str, engine: Engine) -> None:
        self._celery = _sender(broker_url)
        self._engine = engine
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._pause = 0.0  # seconds; grows while the broker cannot be reached

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the order that it is sending."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._celery.close()

    def wake(self) -> None:
        """Look for orders that are due, at once."""
        self._woken.set()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause):
            self._woken.wait()
            self._woken.clear()
            try:
                self._send_due()
            except SQLAlchemyError as error:
                _log.warning("cannot read which orders are due: %s", error)

    def _send_due(self) -> None:
        while not self._stopping.is_set():
            due = autocommit(self._engine, dispatch.claim)
            if not due:
                return
            for index, (trial_id, attempt) in enumerate(due):
                if not self._send(trial_id, attempt):
                    left = [trial_id for trial_id, _ in due[index:]]
                    autocommit(self._engine, partial(dispatch.unsent, trial_ids=left))
                    self._woken.set()
                    return

    def _send(self, trial_id: UUID, attempt: int) -> bool:
        """Send one order; False where the broker does not take it."""
        try:
            self._celery.send_task(
                TRAIN_JOB,
                args=[str(trial_id), attempt],
                queue=QUEUE,
                ignore_result=True,
                retry=False,
            )
        except (OperationalError, RedisError, OSError) as error:
            self._pause = min(_LONGEST_PAUSE, max(1.0, 2 * self._pause))
            about = {"trial_id": trial_id, "attempt": attempt}
            _log.warning("the broker takes no orders, they are sent later: %s", error, extra=about)
            return False
        self._pause = 0.0
        return True


def _sender(broker_url: str) -> Celery:
    """A Celery application that only sends, and gives up after two seconds."""
    config = celery_config(broker_url)
    config["broker_transport_options"] = config["broker_transport_options"] | {
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "retry_on_timeout": False,
    }
    app = Celery("netmorph-controller", set_as_current=False, fixups=[])
    app.conf.update(config)
    return app
