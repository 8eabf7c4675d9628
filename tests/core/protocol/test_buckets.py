"""A bucket that is away, slow, busy or cuts answers off fails like a disk, and loses no blob."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from core.errors import CorruptBlob
from core.protocol import buckets
from core.protocol.contracts import BlobRef
from core.protocol.storage import Storage
from tests.bucket import KEYS

BLOB = BlobRef(key=f"weights/{'0' * 64}.bin", sha256="0" * 64, bytes=1000)
BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + b"x" * 10
SILENT = b""


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """The address of a server with one answer to everything; an empty one is never sent."""
    held = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(2)  # a client may connect and send nothing
            with suppress(OSError):
                connection.recv(65536)
            if answer:
                with suppress(OSError):
                    connection.sendall(answer)
                connection.close()
            held.append(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Storage]:
    """Makes the storage of a bucket at an address."""
    monkeypatch.setattr(buckets, "_TRIES", 1)
    monkeypatch.setattr(buckets, "_WRITE_SECONDS", 0.5)
    limits = {"connect_timeout": 0.5, "read_timeout": 0.5, "retries": {"max_attempts": 0}}
    monkeypatch.setitem(buckets._OPTIONS, "config_kwargs", limits)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)

    def make(address: str) -> Storage:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        S3FileSystem.clear_instance_cache()  # it does not know that the address has changed
        found = Storage("s3://netmorph/faulty")
        S3FileSystem.clear_instance_cache()
        return found

    return make


@pytest.mark.parametrize("answer", [BUSY, CUT_OFF, SILENT], ids=["503", "cut off", "silent"])
def test_a_failing_server_is_an_os_error_and_no_missing_blob(answer, faulty, tmp_path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"examples")
    with server(answer) as address:
        storage = faulty(address)
        writes = (
            lambda: storage.put("weights", b"x", "bin"),
            lambda: storage.put_file("datasets", file, "bin"),
            storage.check_writable,
        )
        reads = (lambda: storage.get(BLOB), lambda: storage.check(BLOB))
        for call in reads if answer is CUT_OFF else (*reads, *writes):
            with pytest.raises(OSError, match=r".") as failure:
                call()
            assert not isinstance(failure.value, FileNotFoundError)


def test_a_server_that_is_away_or_without_the_bucket_is_an_os_error(
    faulty, bucket_server_address
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(OSError, match="Could not connect"):
        faulty(address).get(BLOB)
    elsewhere = faulty(bucket_server_address)
    elsewhere._root = "no-such-bucket"
    with pytest.raises(OSError, match="the bucket is missing"):
        elsewhere.get(BLOB)


def test_an_equal_object_is_written_once_and_a_damaged_one_again(bucket_url, tmp_path: Path):
    storage = Storage(f"{bucket_url}/{tmp_path.name}")
    blob = storage.put("exports", b"an export", "zip")
    path = storage._path(blob)
    with pytest.raises(FileExistsError):  # this server has conditional writes
        storage._fs.pipe_file(path, b"another", mode="create")
    assert buckets._is_equal_and_recent(storage._fs.info(path), b"an export")
    storage._fs.pipe_file(path, b"an expor")  # cut off by an operator's copy
    with pytest.raises(CorruptBlob):
        storage.check(blob)
    storage.put("exports", b"an export", "zip")
    storage.check(blob)
