"""A real S3 server (moto's) in a process of its own, with a bucket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.waiting import wait_for

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
BUCKET = "netmorph"


@contextmanager
def bucket_server() -> Iterator[str]:
    """The address of a server with one empty bucket; it forgets all at its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        command, env=os.environ | KEYS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: server.poll() is not None or make_bucket(address), 60)
        yield address
    finally:
        server.terminate()
        server.wait()


class LastingBucket:
    """A server with a bucket that keeps its objects when it is killed and started again.

    moto's objects are in its memory: a new server repeats all requests of the earlier ones.
    """

    def __init__(self, folder: Path) -> None:
        self.port = 0  # another one after each start
        self._recording = folder / "requests"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a server, and wait until it has all the objects."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        recorded = {
            "MOTO_ENABLE_RECORDING": "true",
            "MOTO_RECORDER_FILEPATH": str(self._recording),
        }
        self._server = subprocess.Popen(
            command,
            env=os.environ | KEYS | recorded,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{self.port}"
        if self._recording.exists():
            wait_for(lambda: _answers(f"{address}/moto-api/recorder/replay-recording"), 300)
        else:
            wait_for(lambda: make_bucket(address), 300)

    def kill(self) -> None:
        """Kill the server."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()


def _answers(address: str) -> bool:
    """Post to an address; False while no server answers."""
    try:
        urlopen(Request(address, b"", method="POST"), timeout=300).close()
    except HTTPError:
        raise
    except URLError:
        return False
    return True


def make_bucket(address: str) -> bool:
    """Create the bucket; False while no server answers."""
    credential = "Credential=test/20260101/us-east-1/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}  # moto needs no signature
    try:
        urlopen(Request(f"{address}/{BUCKET}", method="PUT", headers=headers), timeout=10).close()
    except URLError:
        return False
    return True
