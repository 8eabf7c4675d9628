"""Storage has complete blobs or none, and never wrong bytes."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from core.errors import CorruptBlob, MissingBlob
from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import Storage

DATA = b"some weights" * 1000


@pytest.fixture(params=["folder", "object store", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return Storage(f"file://{tmp_path}/blobs")
    if request.param == "bucket":
        return Storage(f"{request.getfixturevalue('bucket_url')}/{tmp_path.name}/blobs")
    return Storage(f"memory://{tmp_path.name}/blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/blobs")


def overwrite(storage: Storage, blob: BlobRef, data: bytes) -> None:
    storage._fs.pipe_file(storage._path(blob), data)


def test_a_stored_blob_is_read_back_unchanged(storage: Storage) -> None:
    blob = storage.put("weights", DATA, "safetensors")

    assert storage.get(blob) == DATA
    assert blob.key == f"weights/{blob.sha256}.safetensors"
    assert blob.bytes == len(DATA)
    with storage.open(blob) as file:
        assert file.read() == DATA


def test_equal_bytes_are_stored_under_one_key(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)

    blob = storage.put_file("weights", tmp_path / "file", "bin")

    assert storage.get(blob) == DATA
    assert storage.put("weights", DATA, "bin") == storage.put("weights", DATA, "bin") == blob


def test_a_draft_becomes_the_stored_file_and_leaves_nothing_else(
    storage: Storage, tmp_path: Path
) -> None:
    for _ in range(2):  # the second time the blob is there already
        with storage.draft("datasets", "bin") as path:
            path.write_bytes(DATA)
            number = path.stat().st_ino
            blob = storage.put_file("datasets", path, "bin")
            again = storage.put_file("datasets", path, "bin")

        assert not path.exists()
        assert again == blob
        assert storage.get(blob) == DATA
        if "file:" in storage.url:
            (stored,) = (tmp_path / "blobs" / "datasets").iterdir()
            assert stored.stat().st_ino == number  # not a copy


def test_the_storing_of_a_file_ends_at_any_of_its_pieces(folder: Storage, tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    def end_at(number: int) -> Callable[[], None]:
        calls = count(1)

        def on_chunk() -> None:
            if next(calls) == number:
                raise Ended

        return on_chunk

    path = tmp_path / "file"
    path.write_bytes(DATA * 300)  # several pieces
    for number in (1, 3):
        with pytest.raises(Ended):
            folder.put_file("datasets", path, "bin", end_at(number))
    assert not (tmp_path / "blobs").exists() or not [*(tmp_path / "blobs").rglob("*.bin")]
    assert folder.put_file("datasets", path, "bin", end_at(0)).bytes == path.stat().st_size


def test_a_draft_of_a_process_that_was_killed_is_swept(folder: Storage, tmp_path: Path) -> None:
    with folder.draft("datasets", "bin") as path:
        path.write_bytes(DATA)
        folder.remove_unfinished("datasets", datetime.now(UTC) + timedelta(minutes=1))
        assert not path.exists()


def test_the_drafts_of_threads_that_end_with_their_process_are_removed(folder: Storage) -> None:
    with folder.draft("datasets", "bin") as ended, folder.draft("datasets", "bin") as path:
        path.write_bytes(DATA)
        ended.unlink(missing_ok=True)
        folder.remove_drafts()
        assert not path.exists()


def test_a_file_of_another_file_system_is_copied(
    folder: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "file").write_bytes(DATA)

    blob = folder.put_file("datasets", tmp_path / "file", "bin")

    assert folder.get(blob) == DATA
    assert len(list((tmp_path / "blobs" / "datasets").iterdir())) == 1


def test_a_missing_blob_is_named(storage: Storage) -> None:
    blob = storage.put("weights", DATA, "bin")
    storage.delete(blob)
    storage.delete(blob)

    with pytest.raises(MissingBlob, match=blob.key):
        storage.get(blob)
    with pytest.raises(MissingBlob, match=blob.key):
        storage.open(blob)


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA[:10], b"", DATA + b"x", b"S" + DATA[1:]])
def test_damaged_bytes_are_refused(storage: Storage, damaged: bytes, tmp_path: Path) -> None:
    blob = storage.put("weights", DATA, "bin")
    overwrite(storage, blob, damaged)

    with pytest.raises(CorruptBlob, match="expected"):
        storage.get(blob)
    with pytest.raises(CorruptBlob, match="expected"):
        storage.local_path(blob, tmp_path / "cache")


def test_storing_again_repairs_a_damaged_blob(storage: Storage) -> None:
    blob = storage.put("weights", DATA, "bin")
    overwrite(storage, blob, b"damaged")

    storage.put("weights", DATA, "bin")

    assert storage.get(blob) == DATA


def test_a_local_path_holds_the_bytes(storage: Storage, tmp_path: Path) -> None:
    blob = storage.put("datasets", DATA, "bin")

    path = storage.local_path(blob, tmp_path / "cache")

    assert path.read_bytes() == DATA
    assert storage.local_path(blob, tmp_path / "cache") == path


def test_a_damaged_copy_in_the_cache_is_replaced(tmp_path: Path) -> None:
    url, cache = f"memory://{tmp_path.name}/blobs", tmp_path / "cache"
    blob = Storage(url).put("datasets", DATA, "bin")
    Storage(url).local_path(blob, cache).write_bytes(b"damaged")

    assert Storage(url).local_path(blob, cache).read_bytes() == DATA


def test_concurrent_puts_of_the_same_bytes_leave_one_complete_blob(
    folder: Storage, tmp_path: Path
) -> None:
    barrier = threading.Barrier(8)

    def put() -> None:
        barrier.wait()
        folder.put("weights", DATA, "bin")

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (path,) = (tmp_path / "blobs" / "weights").iterdir()
    assert path.read_bytes() == DATA


def test_a_failed_write_leaves_nothing(
    folder: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)

    with pytest.raises(OSError, match="No space left"):
        folder.put("weights", DATA, "bin")
    assert list((tmp_path / "blobs" / "weights").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_reported_at_the_start(
    tmp_path: Path, storage: Storage
) -> None:
    storage.check_writable()
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OSError, match="Not a directory"):
        Storage(f"file://{tmp_path}/file/blobs").check_writable()


def test_files_that_were_written_long_ago_are_stale(storage):
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    assert storage.stale("checkpoints", now + minute) == []
    blob = storage.put("checkpoints", b"x", "safetensors")
    storage.put("weights", b"x", "safetensors")
    assert storage.stale("checkpoints", now - minute) == []
    (name,) = storage.stale("checkpoints", now + minute)
    assert f"checkpoints/{name}" == blob.key
    assert storage.stale_blobs("checkpoints", now + minute) == [blob]
    assert storage.stored_at(blob) < now + minute
    storage.delete_file("checkpoints", name)
    storage.delete_file("checkpoints", name)
    assert storage.stored_at(blob) is None
    assert storage.stale("checkpoints", now + minute) == []
