"""Removing what is obsolete, in a thread of its own, as storage may be slow."""

import logging
import threading
import time
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.controller.collection import Garbage, Retention, collect, survey
from api.db import unit_of_work
from api.store import (
    clock,
    deliveries,
    discarded,
    memory_limits,
    new_searches,
    operations,
    searches,
    setbacks,
    sign_ins,
    worker_histories,
    workers,
)
from core.errors import BlobError
from core.protocol.contracts.blobs import BlobRef
from core.protocol.states import SearchStatus
from core.protocol.storage import Storage

_log = logging.getLogger(__name__)
_KEEP_ALL = Retention()
_EVERY = 3600.0  # seconds between two sweeps, unless woken
_PAUSE = 30.0  # seconds after an error
_REPORTED_WITHIN = timedelta(days=1)  # after which a stored checkpoint is not reported any more


class Sweeper:
    """Removes blobs without a use, and old sign-ins, requests, operations, deliveries, workers."""

    def __init__(
        self,
        storage: Storage,
        maker: sessionmaker[Session],
        discard_seconds: float,
        lost_data_seconds: float = _EVERY,
        retention: Retention = _KEEP_ALL,
    ) -> None:
        self._storage = storage
        self._sessions = maker
        self._grace = timedelta(seconds=discard_seconds)
        self._patience = timedelta(seconds=lost_data_seconds)
        self._retention = retention
        self._collect_at = 0.0  # monotonic
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def wake(self) -> None:
        """Sweep at once."""
        self._woken.set()

    def collect(self) -> None:
        """Give up what has no use any more, and sweep, at once."""
        self._collect_at = 0.0
        self._woken.set()

    def survey(self) -> Garbage:
        """What the next collection would give up; changes nothing."""
        return survey(self._sessions, self._storage, self._retention)

    def is_due(self, session: Session) -> bool:
        """Whether the time has come of blobs to remove, or of searches without their data."""
        lost = setbacks.searches_without_data(session, self._patience)
        return bool(lost) or discarded.are_there(session, self._grace)

    def sweep(self, *, collecting: bool = True) -> None:
        """Remove everything obsolete; collecting, which lists all of the storage, is optional."""
        with unit_of_work(self._sessions) as session:
            sign_ins.sweep(session)
            deliveries.sweep(session)
            workers.sweep(session)
            worker_histories.sweep(session)
            memory_limits.sweep(session)
            new_searches.forget_requests(session)
            operations.sweep(session)
            discarded.of_ended_trials(session)
        if collecting:
            collect(self._sessions, self._storage, self._retention, self._stopping.is_set)
        while self._remove_blobs():
            pass
        self._look_at_damage()
        self._end_searches_without_data()
        self._remove_unreported()

    def _remove_blobs(self) -> bool:
        """Remove some blobs that nothing refers to; return whether there may be more."""
        with unit_of_work(self._sessions) as session:
            due = discarded.unneeded(session, self._grace)
            limit = clock.now(session) - self._grace
            young = [blob for blob in due if self._was_stored_after(limit, blob)]
            discarded.postpone(session, young)
            gone = [blob for blob in due if blob not in young]
            for blob in gone:
                self._storage.delete(blob)
            discarded.forget(session, gone)
        return len(due) > 0

    def _was_stored_after(self, limit: datetime, blob: BlobRef) -> bool:
        if blob.key.startswith(discarded.CHECKPOINTS):
            return False  # it has one writer
        stored_at = self._storage.stored_at(blob)
        return stored_at is not None and limit < stored_at

    def _look_at_damage(self) -> None:
        """Let trials use weights and data sets again that were damaged and have been restored."""
        with unit_of_work(self._sessions) as session:
            marked = setbacks.damaged(session)
        intact = [blob for blob in marked if self._is_intact(blob)]
        with unit_of_work(self._sessions) as session:
            setbacks.unmark(session, intact)

    def _is_intact(self, blob: BlobRef) -> bool:
        try:
            self._storage.check(blob)
        except BlobError:
            return False
        return True

    def _end_searches_without_data(self) -> None:
        """Fail searches that have waited long enough for a data set that is lost."""
        with unit_of_work(self._sessions) as session:
            lost = setbacks.searches_without_data(session, self._patience)
        for search_id, reason in lost:  # a transaction each: versions are locked last
            with unit_of_work(self._sessions) as session:
                searches.move(session, search_id, SearchStatus.FAILED, reason=reason)

    def _remove_unreported(self) -> None:
        """Remove checkpoints whose worker was killed before it could report them."""
        with unit_of_work(self._sessions) as session:
            limit = clock.now(session) - _REPORTED_WITHIN
        self._storage.remove_unfinished("checkpoints", limit)
        stale = self._storage.stale_blobs("checkpoints", limit)
        if not stale:
            return
        with unit_of_work(self._sessions) as session:
            in_use = discarded.checkpoints_in_use(session)
        for blob in stale:
            if blob.key not in in_use:
                self._storage.delete(blob)

    def _run(self) -> None:
        while not self._stopping.is_set():
            is_due = time.monotonic() >= self._collect_at
            if is_due:
                self._collect_at = time.monotonic() + _EVERY
            try:
                self.sweep(collecting=is_due)
            except (SQLAlchemyError, OSError) as error:
                if is_due:
                    self._collect_at = 0.0
                _log.warning("cannot sweep, trying again later: %s", error)
                self._stopping.wait(_PAUSE)
            self._woken.wait(_EVERY)
            self._woken.clear()
