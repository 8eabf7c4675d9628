"""The controller's service: the threads inside the API process that keep searches going.

The deciding thread sleeps until there may be something to decide: it is woken through Postgres
when a result was counted or a search changed, by any process, and looks by itself every few
seconds. Beside it, the relay sends orders and the sweeper clears away. Of several API processes
one decides at a time.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import psycopg
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from api import db
from api.controller import reconciler
from api.controller.leader import Leadership
from api.controller.proposer import Proposer
from api.controller.relay import Relay
from api.controller.sweeper import Sweeper
from api.settings import Settings
from api.store.notifications import WORK, notify_controllers
from core.protocol.storage import Storage

_log = logging.getLogger(__name__)
_RECONNECT = 1.0  # seconds


def end_process() -> None:
    """End this process as a supervisor would, which starts it anew."""
    os.kill(os.getpid(), signal.SIGTERM)


class Controller:
    """Starts and stops the threads; `wake` makes them look at once."""

    def __init__(
        self, settings: Settings, engine: Engine, died: Callable[[], None] = end_process
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._sessions = db.sessions(engine)
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._leadership = Leadership(engine, settings.leader_seconds)
        self._proposer = Proposer(self._sessions, settings.suggest_processes, self._bell.set)
        self._relay = Relay(settings.broker_url, engine)
        self._sweeper = Sweeper(Storage(settings.storage_url), self._sessions)
        self._died = died
        self._threads = [
            threading.Thread(target=self._vital, args=[run], name=name, daemon=True)
            for name, run in (("controller", self._decide), ("controller-bell", self._listen))
        ]

    def start(self) -> None:
        """Start deciding as soon as this process leads."""
        self._relay.start()
        self._sweeper.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads; another controller may lead at once."""
        self._stopping.set()
        self._bell.set()
        try:
            db.autocommit(self._engine, notify_controllers)  # wakes the listening thread
            self._leadership.resign()
        except SQLAlchemyError as error:
            _log.warning("cannot resign: %s", error)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10)
        self._proposer.close()
        self._relay.stop()
        self._sweeper.stop()

    def wake(self) -> None:
        """Look at once what there is to decide; cheap, from any thread."""
        self._bell.set()

    def _vital(self, run: Callable[[], None]) -> None:
        """Run a thread without which searches would stand still for ever."""
        try:
            run()
        finally:
            if not self._stopping.is_set():
                _log.critical("the controller has died; this process ends, to be started anew")
                self._died()

    def _decide(self) -> None:
        self._proposer.warm_up()
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                again = self._leadership.is_held() and self._turn()
            except SQLAlchemyError as error:
                _log.warning("cannot decide: %s", error)
                again = False
            # Never more than half of a core, however often it is woken.
            self._stopping.wait(min(1.0, time.monotonic() - started))
            if not again:
                self._bell.wait(self._settings.reconcile_seconds)
            self._bell.clear()

    def _turn(self) -> bool:
        """Do everything that is to be done now; whether more may be to do at once."""
        reconciler.expire_leases(self._engine, self._settings.max_attempts)
        reconciler.tidy(self._sessions, self._sweeper)
        self._proposer.collect()
        again = reconciler.advance(self._sessions, self._proposer)
        self._relay.wake()
        return again

    def _listen(self) -> None:
        """Ring the bell when any process tells that there may be something to decide."""
        url = make_url(self._settings.database_url).set(drivername="postgresql")
        address = url.render_as_string(hide_password=False)
        while not self._stopping.is_set():
            try:
                self._hear(address)
            except psycopg.Error as error:
                _log.warning("cannot listen: %s", error)
                self._stopping.wait(_RECONNECT)

    def _hear(self, address: str) -> None:
        with psycopg.connect(address, autocommit=True, application_name="netmorph bell") as bell:
            bell.execute(f"LISTEN {WORK}".encode())
            self._bell.set()  # something may have happened before
            while not self._stopping.is_set():
                for _ in bell.notifies(timeout=1.0, stop_after=1):
                    self._bell.set()
