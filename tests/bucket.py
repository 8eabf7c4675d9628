"""A real S3 server (moto's) in a process of its own, with a bucket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
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


def make_bucket(address: str) -> bool:
    """Create the bucket; False while no server answers."""
    credential = "Credential=test/20260101/us-east-1/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}  # moto needs no signature
    try:
        urlopen(Request(f"{address}/{BUCKET}", method="PUT", headers=headers), timeout=10).close()
    except URLError:
        return False
    return True
