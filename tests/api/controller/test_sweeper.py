"""The sweeper: obsolete rows and blobs go, and an error does not end it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from api.controller.sweeper import Sweeper
from api.models import BrowserSession, Discarded, Idempotency, Worker
from api.store import new_searches, searches, sign_ins
from core.errors import MissingBlob
from core.protocol.storage import Storage


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return Storage((tmp_path / "storage").as_uri())


@pytest.fixture
def sweeper(world: Any, storage: Storage) -> Sweeper:
    return Sweeper(storage, world.sessions)


def rows(world: Any, table: type) -> int:
    with world.sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_more_blobs_of_deleted_searches_than_one_statement_takes_are_removed(
    world: Any, storage: Storage, sweeper: Sweeper
) -> None:
    caller = world.caller()
    search, other = world.search(caller), world.search(caller)
    blobs = [storage.put("weights", str(n).encode(), "safetensors") for n in range(120)]
    for blob in blobs:
        world.trial(search, weights_key=blob.key, weights_bytes=blob.bytes)
    world.trial(other, weights_key=blobs[0].key, weights_bytes=blobs[0].bytes)
    with world.sessions.begin() as session:
        searches.remove(session, caller, search)

    sweeper.sweep()

    assert storage.get(blobs[0]) == b"0"  # the other search needs it
    for blob in blobs[1:]:
        with pytest.raises(MissingBlob):
            storage.get(blob)
    assert rows(world, Discarded) == 0


def test_rows_past_their_retention_time_are_removed(world: Any, sweeper: Sweeper, do: Any) -> None:
    caller = world.caller()
    search = world.search(caller)
    with world.sessions.begin() as session:
        sign_ins.open(session, caller, timedelta(seconds=-1))
        sign_ins.open(session, caller)
        for key, age in (("old", "25 hours"), ("new", "23 hours")):
            new_searches.remember(session, caller, key, b"", search)
            session.execute(
                text(
                    f"UPDATE idempotency SET created_at = now() - interval '{age}' WHERE key = :k"
                ),
                {"k": key},
            )
        for hours in (23, 25):
            worker = world.worker()
            session.add(
                Worker(
                    id=worker.worker_id,
                    boot_id=worker.boot_id,
                    name="w",
                    device="cpu",
                    threads=1,
                    seen_at=text(f"now() - interval '{hours} hours'"),
                )
            )

    sweeper.sweep()

    assert [rows(world, table) for table in (BrowserSession, Idempotency, Worker)] == [1, 1, 1]


def test_checkpoints_that_were_never_reported_are_removed_after_a_day(
    world: Any, storage: Storage, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported, lost = (storage.put("checkpoints", data, "safetensors") for data in (b"1", b"2"))
    world.trial(world.search(), checkpoint_key=reported.key, checkpoint_bytes=1)
    sweeper.sweep()
    assert storage.get(lost) == b"2"
    monkeypatch.setattr("api.controller.sweeper._REPORT_SECONDS", -10.0)  # a day later
    sweeper.sweep()
    assert storage.get(reported) == b"1"
    with pytest.raises(MissingBlob):
        storage.get(lost)
