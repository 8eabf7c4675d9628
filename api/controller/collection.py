"""Garbage collection: blobs without a use are given up while searches run; a sweep removes them."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from api.db import unit_of_work
from api.store import clock, retention
from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import BLOB_KINDS, Storage

_log = logging.getLogger(__name__)

#: Where more files than that are there and none is known, the storage is of another database.
_MOST_UNKNOWN = 10

#: A file that was last written so long ago was left unfinished by a process that was killed.
_UNFINISHED_SECONDS = 86_400.0

#: Checkpoints have a sweep of their own.
_SURVEYED = tuple(kind for kind in BLOB_KINDS if kind != "checkpoints")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of blobs, and their bytes together."""

    blobs: int
    bytes: int

    @classmethod
    def of(cls, blobs: Iterable[BlobRef]) -> "Amount":
        """The amount of different blobs."""
        distinct = {blob.key: blob.bytes for blob in blobs}
        return cls(len(distinct), sum(distinct.values()))


@dataclass(frozen=True, slots=True)
class Garbage:
    """What has no use any more, by the reason."""

    superseded: Amount  # weights of ended searches beyond the best ones
    orphans: Amount  # files to which no row refers, long after they were written
    discarded: Amount  # given up already; removed after their grace time


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept, and how long."""

    keep_best: int | None = None  # trials of an ended search that keep their weights; None: all
    orphan_seconds: float = 604_800.0  # after its last writing a file may not be referred to yet


def survey(sessions: sessionmaker[Session], storage: Storage, rule: Retention) -> Garbage:
    """What a collection would give up now; changes nothing."""
    stale = _stale(storage, _limit(sessions, rule))
    with unit_of_work(sessions) as session:
        given_up = [] if rule.keep_best is None else retention.superseded(session, rule.keep_best)
        return Garbage(
            superseded=Amount.of(one.weights for one in given_up),
            orphans=Amount.of(retention.unreferenced(session, stale)),
            discarded=Amount.of(retention.noted(session)),
        )


def collect(
    sessions: sessionmaker[Session],
    storage: Storage,
    rule: Retention,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Give up what has no use any more, one search at a time."""
    if rule.keep_best is not None:
        with unit_of_work(sessions) as session:
            found = retention.superseded(session, rule.keep_best)
        for search_id in {one.search_id for one in found}:
            if stopping():
                return
            with unit_of_work(sessions) as session:
                retention.give_up_weights(session, rule.keep_best, search_id)
    limit = _limit(sessions, rule)
    unfinished = _before(sessions, min(rule.orphan_seconds, _UNFINISHED_SECONDS))
    for kind in _SURVEYED:
        storage.remove_unfinished(kind, unfinished)
    stale = _stale(storage, limit)
    with unit_of_work(sessions) as session:
        orphans = retention.unreferenced(session, stale)
        if len(orphans) == len(stale) > _MOST_UNKNOWN:
            _log.error(
                "none of the %d files in %s is known to this database: none is removed; expected "
                "the storage of this database alone",
                len(stale),
                storage.url,
            )
            return
        retention.note(session, orphans)


def _limit(sessions: sessionmaker[Session], rule: Retention) -> datetime:
    """The moment before which files without a reference are orphans."""
    return _before(sessions, rule.orphan_seconds)


def _before(sessions: sessionmaker[Session], seconds: float) -> datetime:
    """That many seconds ago by the database's clock."""
    with unit_of_work(sessions) as session:
        return clock.now(session) - timedelta(seconds=seconds)


def _stale(storage: Storage, before: datetime) -> list[BlobRef]:
    """The stored blobs that were last written before this moment."""
    return [blob for kind in _SURVEYED for blob in storage.stale_blobs(kind, before)]
