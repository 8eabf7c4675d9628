"""The controller's service: the threads inside the API process that advance the searches.

The deciding thread sleeps until there may be something to decide: a notification through Postgres
wakes it when any process has counted a result or changed a search, and it wakes by itself every
few seconds. Beside it, the relay sends orders, the deliverer sends webhooks, and the sweeper
removes what is obsolete. Of several API processes one decides at a time.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api import db
from api.controller import enqueued_trials, finisher
from api.controller.collection import Garbage, Retention
from api.controller.deliverer import Deliverer
from api.controller.leadership import Leadership
from api.controller.owner_slots import OwnerSlots
from api.controller.proposer import Proposer
from api.controller.relay import Relay
from api.controller.sweeper import Sweeper
from api.settings import Settings
from api.store import clock, endings, enqueued, live_searches, searches
from api.store.live_searches import LiveSearch
from api.store.notifications import WORK, notify_controllers
from core.protocol.storage import Storage
from core.search.budget import Suggest, Wait, decide

_log = logging.getLogger(__name__)
_RECONNECT = 1.0  # seconds
_CHECK_SECONDS = 10.0  # between two checks that the listening connection is alive
_GATHER_SECONDS = 0.05  # between two readings: many notifications cost as much as one

STUCK = "stuck"

#: The deciding thread moves more often than that, as every wait in it has a limit.
LONGEST_STEP = 120.0  # seconds


def end_process() -> None:
    """End this process, so that its supervisor restarts it."""
    os.kill(os.getpid(), signal.SIGTERM)


class Controller:
    """Starts and stops the threads; `wake` has them look for work at once."""

    def __init__(
        self, settings: Settings, engine: Engine, died: Callable[[], None] = end_process
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._sessions = db.sessions(engine)
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._leadership = Leadership(engine, settings.leader_seconds)
        self._proposer = Proposer(self._sessions, settings.suggest_processes, self._woken.set)
        self._relay = Relay(settings.broker_url, engine)
        self._sweeper = Sweeper(
            Storage(settings.storage_url),
            self._sessions,
            settings.discard_seconds,
            settings.lost_data_seconds,
            Retention(settings.keep_best, settings.orphan_seconds),
        )
        self._deliverer = Deliverer(self._sessions, private=settings.webhook_private_networks)
        self._died = died
        self._leads = False
        self._moved_at: float | None = None  # monotonic; when the deciding thread last moved
        self._threads = [
            threading.Thread(target=self._vital, args=[run], name=name, daemon=True)
            for name, run in (("controller", self._decide), ("controller-listener", self._listen))
        ]

    def start(self) -> None:
        """Start the threads; they decide while this process leads."""
        self._relay.start()
        self._sweeper.start()
        self._deliverer.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads; another controller can lead at once."""
        self._stopping.set()
        self._woken.set()
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
        self._deliverer.stop()

    def wake(self) -> None:
        """Look for something to decide at once; cheap, callable from any thread."""
        self._woken.set()
        self._deliverer.wake()

    def survey_garbage(self) -> Garbage:
        """The blobs that have no use any more."""
        return self._sweeper.survey()

    def collect_garbage(self) -> None:
        """Have them given up soon, in a thread of their own."""
        self._sweeper.collect()

    def is_turning(self) -> bool:
        """Whether the deciding thread is alive and not stuck, whatever the database does."""
        return self._moved_at is None or time.monotonic() < self._moved_at + LONGEST_STEP

    def state(self) -> str:
        """What the deciding thread of this process does, in a word or two."""
        if not self.is_turning():
            return STUCK
        return "deciding" if self._leads else "standing by"

    def _move(self) -> None:
        self._moved_at = time.monotonic()

    def _vital(self, run: Callable[[], None]) -> None:
        """Run a thread that searches depend on; its death ends the process."""
        try:
            run()
        finally:
            if not self._stopping.is_set():
                _log.critical("controller thread crashed; exiting so the supervisor can restart it")
                self._died()

    def _decide(self) -> None:
        self._proposer.warm_up()
        while not self._stopping.is_set():
            started = time.monotonic()
            self._move()
            try:
                self._leads = self._leadership.is_held()
                again = self._leads and self._turn()
            except SQLAlchemyError as error:
                _log.warning("cannot reach the database to decide: %s", error)
                again = False
            # Never more than a fifth of a core, however often it is woken: results wake it.
            self._stopping.wait(min(1.0, 4 * (time.monotonic() - started)))
            if not again:
                self._woken.wait(self._settings.reconcile_seconds)
            self._woken.clear()

    def _turn(self) -> bool:
        """Do everything that is due; return whether more may be due at once."""
        expire_leases(self._engine, self._settings.max_attempts)
        tidy(self._sessions, self._sweeper)
        self._proposer.collect()
        again = advance(self._sessions, self._proposer, self._move, self._settings.owner_trials)
        self._relay.wake()
        self._deliverer.wake()
        return again

    def _listen(self) -> None:
        """Wake the deciding thread when any process notifies the controllers."""
        while not self._stopping.is_set():
            try:
                self._await_notifications()
            except psycopg.Error as error:
                _log.warning("cannot listen for notifications: %s", error)
                self._stopping.wait(_RECONNECT)

    def _await_notifications(self) -> None:
        parameters = db.listener_parameters(self._settings.database_url, "netmorph listener")
        with db.ImpatientConnection.connect(autocommit=True, **parameters) as connection:
            connection.execute(f"LISTEN {WORK}".encode())
            self._woken.set()  # a notification may have been missed before
            checked = time.monotonic()
            while not self._stopping.is_set():
                for _ in connection.notifies(timeout=1.0, stop_after=1):
                    self._woken.set()
                self._stopping.wait(_GATHER_SECONDS)
                if time.monotonic() > checked + _CHECK_SECONDS:
                    connection.execute("SELECT 1")  # silence does not tell whether it is dead
                    checked = time.monotonic()


def expire_leases(engine: Engine, max_attempts: int) -> None:
    """Retry trials, or count them as lost, whose workers sent no report in time."""
    db.autocommit(engine, clock.settle)
    expired = db.autocommit(engine, lambda c: endings.expire(c, max_attempts))
    if expired:
        _log.warning("leases expired", extra={"leases": expired})


def tidy(sessions: sessionmaker[Session], sweeper: Sweeper) -> None:
    """Stop trials still waiting in ended searches; wake the sweeper when it is due."""
    with db.unit_of_work(sessions) as session:
        for search_id in searches.left_waiting(session):
            searches.stop_waiting(session, search_id, "the search has ended")
        if sweeper.is_due(session):
            sweeper.wake()


def advance(
    sessions: sessionmaker[Session],
    proposer: Proposer,
    moved: Callable[[], None] = lambda: None,
    owner_trials: int = 2**31,
) -> bool:
    """Carry out what is decided for each live search; return whether more may be due at once.

    `moved` is called for each search. No user has more than `owner_trials` in flight; the oldest
    search of a user comes first.
    """
    with db.unit_of_work(sessions) as session:
        live_searches.hold_clocks(session)
        live = live_searches.live(session)
        with_enqueued = enqueued.searches_with_some(session)
    slots = OwnerSlots(live, proposer.requested, owner_trials)
    again = False
    for search in live:
        moved()
        decision = decide(search.progress)
        if isinstance(decision, Suggest):
            is_asked = proposer.requested(search.search_id)
            count = 0 if is_asked else slots.take(search, decision.count)
            if count > 0 and search.search_id in with_enqueued and _start(sessions, search, count):
                again = True
            elif count > 0:
                proposer.request(search, count)
        elif not isinstance(decision, Wait):
            with db.unit_of_work(sessions) as session:
                again |= finisher.carry_out(session, search, decision)
    return again


def _start(sessions: sessionmaker[Session], search: LiveSearch, count: int) -> bool:
    """Start trials of enqueued networks; False where there are none to start."""
    with db.unit_of_work(sessions) as session:
        return enqueued_trials.start(session, search, count)
