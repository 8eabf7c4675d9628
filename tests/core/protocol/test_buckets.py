"""A bucket that is away, slow, busy or cuts answers off fails like a disk, and loses no blob."""

import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from core.errors import CorruptBlob
from core.protocol import buckets
from core.protocol.contracts.blobs import BlobRef
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


class Relay(ThreadingHTTPServer):
    """Passes requests on to an S3 server; the bodies of some answers break off in the middle."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = address.removeprefix("http://")
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.ranges: list[str] = []  # that were requested
        self.whole = 0  # answers with a body that pass before one breaks off

    def breaks(self) -> bool:
        self.whole -= 1
        return self.whole == -1


class _Passing(BaseHTTPRequestHandler):
    server: Relay

    def do_GET(self) -> None:
        connection = HTTPConnection(self.server.target, timeout=30)
        connection.request(self.command, self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET" and "Range" in self.headers:
            self.server.ranges.append(self.headers["Range"])
            body = body[: len(body) // 2] if self.server.breaks() else body
        self.wfile.write(b"" if self.command == "HEAD" else body)
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def relay(bucket_server_address: str) -> Iterator[Relay]:
    with Relay(bucket_server_address) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
    thread.join()


LARGE = random.Random(0).randbytes(5 * 2**20)


@pytest.fixture
def stored(bucket_url, relay: Relay, faulty, monkeypatch) -> tuple[Storage, BlobRef]:
    """A blob of five blocks, and the storage behind the relay, whose third block breaks off."""
    blob = Storage("s3://netmorph/faulty").put("datasets", LARGE, "npz")
    monkeypatch.setattr(buckets, "_BLOCK", 2**20)
    storage = faulty(relay.address)
    relay.whole = 2
    return storage, blob


def first_bytes(ranges: list[str]) -> list[int]:
    return [int(one.removeprefix("bytes=").partition("-")[0]) for one in ranges]


def test_a_download_that_broke_off_requests_the_rest_alone(stored, relay: Relay, tmp_path: Path):
    storage, blob = stored
    with pytest.raises(OSError, match=r"."):
        storage.local_path(blob, tmp_path)
    arrived = (tmp_path / "datasets" / f".{blob.sha256}.npz.part").stat().st_size
    assert 2**20 <= arrived < len(LARGE)
    assert not (tmp_path / blob.key).exists()

    relay.ranges.clear()
    path = storage.local_path(blob, tmp_path)

    assert min(first_bytes(relay.ranges)) == arrived
    assert hashlib.sha256(path.read_bytes()).hexdigest() == blob.sha256
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_damaged_beginning_is_requested_again(stored, relay: Relay, tmp_path: Path) -> None:
    storage, blob = stored
    partial = tmp_path / "datasets" / f".{blob.sha256}.npz.part"
    partial.parent.mkdir()
    partial.write_bytes(b"x" * 2**20)
    relay.whole = 100

    path = storage.local_path(blob, tmp_path)

    assert first_bytes(relay.ranges)[0] == 2**20
    assert 0 in first_bytes(relay.ranges)
    assert path.read_bytes() == LARGE


def test_a_download_that_was_stopped_goes_on(stored, relay: Relay, tmp_path: Path) -> None:
    storage, blob = stored
    relay.whole = 100

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.local_path(blob, tmp_path, stop)
    relay.ranges.clear()
    assert storage.local_path(blob, tmp_path).read_bytes() == LARGE
    assert min(first_bytes(relay.ranges)) == 2**20
