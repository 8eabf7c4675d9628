"""The sweeper: obsolete rows and blobs go, and an error does not end it."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from api.controller.sweeper import Sweeper
from api.models.blobs import Discarded
from api.models.keys import BrowserSession
from api.models.operations import Operation
from api.models.searches import Idempotency
from api.models.workers import Worker
from api.operation_states import OperationKind
from api.store import (
    endings,
    leases,
    new_searches,
    operations,
    searches,
    sign_ins,
    training_reports,
)
from core.errors import MissingBlob
from core.protocol.contracts.reports import Action
from core.protocol.storage import Storage
from tests.api.store.reports import LEASE, checkpoint_of


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return Storage((tmp_path / "storage").as_uri())


@pytest.fixture
def sweeper(world: Any, storage: Storage) -> Sweeper:
    return Sweeper(storage, world.sessions, 0.001)


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


@pytest.mark.parametrize("stored_again", [True, False])
def test_a_blob_stays_while_a_report_of_equal_bytes_may_be_on_its_way(
    world: Any, storage: Storage, stored_again: bool
) -> None:
    """A worker of another search has stored it, and reports it after the deletion."""
    sweeper = Sweeper(storage, world.sessions, discard_seconds=3600)
    caller = world.caller()
    search, twin = world.search(caller), world.search(caller)
    blob = storage.put("weights", b"equal bytes", "safetensors")
    world.trial(search, weights_key=blob.key, weights_bytes=blob.bytes)
    with world.sessions.begin() as session:
        searches.remove(session, caller, search)
    if stored_again:
        _let_time_pass(world, Path(urlsplit(storage.url).path) / blob.key)
        assert storage.put("weights", b"equal bytes", "safetensors") == blob

    sweeper.sweep()
    world.trial(twin, weights_key=blob.key, weights_bytes=blob.bytes)
    _let_time_pass(world, Path(urlsplit(storage.url).path) / blob.key)
    sweeper.sweep()

    assert storage.get(blob) == b"equal bytes"
    assert rows(world, Discarded) == 0


def test_a_blob_that_nothing_refers_to_is_removed_after_its_time(
    world: Any, storage: Storage
) -> None:
    sweeper = Sweeper(storage, world.sessions, discard_seconds=3600)
    caller = world.caller()
    search = world.search(caller)
    blob = storage.put("weights", b"some bytes", "safetensors")
    world.trial(search, weights_key=blob.key, weights_bytes=blob.bytes)
    with world.sessions.begin() as session:
        searches.remove(session, caller, search)
        assert not sweeper.is_due(session)
    _let_time_pass(world, Path(urlsplit(storage.url).path) / blob.key)
    with world.sessions.begin() as session:
        assert sweeper.is_due(session)

    sweeper.sweep()

    assert storage.stored_at(blob) is None


def _let_time_pass(world: Any, file: Path) -> None:
    """Make notes and a file an hour older."""
    with world.sessions.begin() as session:
        session.execute(text("UPDATE discarded SET discarded_at = now() - interval '1 hour'"))
    os.utime(file, (time.time() - 3601,) * 2)


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

        holder = uuid4()
        for operation_id in (uuid4(), ended := uuid4()):
            operations.begin(
                session, caller, operation_id, holder, kind=OperationKind.UPLOAD, name="a", step=""
            )
        operations.fail(session, ended, holder, {"detail": "no"})
    world.set(Operation, ended, ended_at=text("now() - interval '25 hours'"))

    sweeper.sweep()

    kept = (BrowserSession, Idempotency, Operation, Worker)
    assert [rows(world, table) for table in kept] == [1, 1, 1, 1]


@pytest.mark.parametrize("end", ["lease", "search"])
def test_a_checkpoint_that_is_reported_after_the_end_of_its_lease_is_removed(
    world: Any, storage: Storage, sweeper: Sweeper, do: Any, end: str
) -> None:
    """The lease ran out, or the search was deleted, while the worker wrote the checkpoint."""
    caller = world.caller()
    search = world.search(caller)
    trial = world.trial(search)
    held = do(leases.obtain, world.worker(), LEASE, 3)
    late = storage.put("checkpoints", b"late", "safetensors")
    if end == "search":
        with world.sessions.begin() as session:
            searches.remove(session, caller, search)
    else:
        world.overdue(trial)
        assert do(endings.expire, 3) == 1
    report = checkpoint_of(held).model_copy(update={"blob": late})
    assert do(training_reports.checkpoint, trial, report, LEASE).action is Action.ABANDON
    with world.sessions.begin() as session:
        assert sweeper.is_due(session)

    sweeper.sweep()

    assert storage.stored_at(late) is None
    assert rows(world, Discarded) == 0


def test_checkpoints_that_were_never_reported_are_removed_after_a_day(
    world: Any, storage: Storage, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported, lost = (storage.put("checkpoints", data, "safetensors") for data in (b"1", b"2"))
    world.trial(world.search(), checkpoint_key=reported.key, checkpoint_bytes=1)
    sweeper.sweep()
    assert storage.get(lost) == b"2"
    monkeypatch.setattr(
        "api.controller.sweeper._REPORTED_WITHIN", timedelta(seconds=-10)
    )  # a day later
    sweeper.sweep()
    assert storage.get(reported) == b"1"
    with pytest.raises(MissingBlob):
        storage.get(lost)


def test_a_folder_among_the_checkpoints_is_left_alone(
    world: Any, storage: Storage, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(storage.url.removeprefix("file://")) / "checkpoints"
    lost = storage.put("checkpoints", b"2", "safetensors")
    (folder / "lost+found").mkdir()
    (folder / "notes.txt").write_text("an operator's")
    monkeypatch.setattr("api.controller.sweeper._REPORTED_WITHIN", timedelta(seconds=-10))

    sweeper.sweep()

    assert {one.name for one in folder.iterdir()} == {"lost+found", "notes.txt"}
    with pytest.raises(MissingBlob):
        storage.get(lost)
