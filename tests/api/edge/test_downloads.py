"""Exported models as files: whole, in part, or not at all where the client has them."""

import contextlib
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from api.models.trials import Trial
from core.protocol.contracts.blobs import BlobRef
from netmorph.client import Client
from tests.api.visitors import enter

ZIP = os.urandom(700_000)  # several pieces


@pytest.fixture
def owner(person: Any) -> Any:
    made = person()
    assert enter(made.http, made.key).status_code == 303
    made.http.headers["Authorization"] = f"Bearer {made.key}"  # for REST, beside the session
    return made


@pytest.fixture
def blob(app: Any) -> BlobRef:
    return app.state.storage.put("exports", ZIP, "zip")


@pytest.fixture(params=["rest", "page", "trial", "trial page"])
def path(request: Any, world: Any, owner: Any, blob: BlobRef) -> str:
    """Each address of an exported model."""
    search_id = world.search(owner.caller)
    trained = world.trial(search_id, status="completed", ended_at=text("now()"), value=0.5)
    kind, number = ("export", -1) if "trial" in request.param else ("final", 1)
    world.trial(
        search_id, kind=kind, number=number, parent_id=trained, status="completed", value=0.9,
        ended_at=text("now()"), export_key=blob.key, export_bytes=blob.bytes,
    )  # fmt: skip
    return {
        "rest": f"/v1/searches/{search_id}/export",
        "page": f"/searches/{search_id}/export",
        "trial": f"/v1/trials/{trained}/export/file",
        "trial page": f"/trials/{trained}/export/file",
    }[request.param]


def test_a_download_has_a_strong_tag_and_takes_ranges(owner, blob, path) -> None:
    for method in ("GET", "HEAD"):
        answer = owner.http.request(method, path)
        assert answer.status_code == 200
        assert answer.content == (ZIP if method == "GET" else b"")
        assert answer.headers["etag"] == f'"{blob.sha256}"'
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-length"] == str(len(ZIP))
        assert answer.headers["cache-control"] == "private, no-cache"
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=5-300004", slice(5, 300_005)),
        ("bytes=300000-", slice(300_000, None)),
        ("bytes=699999-800000", slice(699_999, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-900000", slice(0, None)),
    ],
)
def test_a_range_is_answered_with_its_bytes(owner, path, header, part) -> None:
    answer = owner.http.get(path, headers={"Range": header})
    first, last, _ = part.indices(len(ZIP))
    assert answer.status_code == 206
    assert answer.content == ZIP[part]
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(ZIP)}"
    assert answer.headers["content-length"] == str(last - first)


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "items=0-1", "bytes=5-2", "bytes=x", "5"])
def test_several_ranges_and_unreadable_ones_are_answered_with_the_whole(
    owner, path, header
) -> None:
    answer = owner.http.get(path, headers={"Range": header})
    assert (answer.status_code, len(answer.content)) == (200, len(ZIP))
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("header", ["bytes=700000-", "bytes=800000-900000", "bytes=-0"])
def test_a_range_without_a_byte_is_refused_with_the_size(owner, path, header) -> None:
    answer = owner.http.get(path, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(ZIP)}"


def test_a_range_counts_only_for_the_file_it_is_of(owner, blob, path) -> None:
    for tag, status in ((f'"{blob.sha256}"', 206), ('"other"', 200), (f'W/"{blob.sha256}"', 200)):
        answer = owner.http.get(path, headers={"Range": "bytes=9-", "If-Range": tag})
        assert answer.status_code == status
        assert answer.content == (ZIP[9:] if status == 206 else ZIP)


def test_nothing_is_read_or_sent_where_the_client_has_it(app, owner, blob, path) -> None:
    app.state.storage.delete(blob)
    for known in (f'"{blob.sha256}"', f'W/"{blob.sha256}"', f'"x", "{blob.sha256}"', "*"):
        for method in ("GET", "HEAD"):
            headers = {"If-None-Match": known, "Range": "bytes=0-5"}
            answer = owner.http.request(method, path, headers=headers)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == f'"{blob.sha256}"'
    assert owner.http.get(path, headers={"If-None-Match": '"other"'}).status_code == 503


def test_another_file_than_the_wanted_one_is_not_sent(owner, blob, path) -> None:
    for wanted, status in ((f'"{blob.sha256}"', 200), ("*", 200), ('"other"', 412), ("x", 412)):
        answer = owner.http.get(path, headers={"If-Match": wanted})
        assert answer.status_code == status
        assert answer.headers["etag"] == f'"{blob.sha256}"'
    weak = {"If-Match": f'W/"{blob.sha256}"', "Range": "bytes=0-5"}
    assert owner.http.get(path, headers=weak).status_code == 412


def test_no_part_of_a_damaged_file_is_sent(app, owner, blob, path) -> None:
    storage = app.state.storage
    file = Path(storage.url.removeprefix("file://")) / blob.key
    file.write_bytes(ZIP[:-1] + bytes([ZIP[-1] ^ 1]))
    for method in ("GET", "HEAD"):
        answer = owner.http.request(method, path, headers={"Range": "bytes=0-9"})
        assert answer.status_code == 503


class CuttingProxy:
    """Forwards connections to a server, and cuts each after some bytes of its answers.

    `after` has their number for each connection in turn; further ones are not cut.
    """

    def __init__(self, server: int, after: list[int], after_first: Callable[[], None]) -> None:
        self._server, self._after, self._after_first = server, after, after_first
        self.requests: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._answer(client, self._after.pop(0) if self._after else sys.maxsize)
                if len(self.requests) == 1:
                    self._after_first()

    def _answer(self, client: socket.socket, left: int) -> None:
        """Forward one request and what is left of its answer."""
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            self.requests.append(client.recv(65536))
            server.sendall(self.requests[-1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while left and (data := server.recv(min(left, 65536))):
                client.sendall(data)
                left -= len(data)


@pytest.fixture
def cut(address: str) -> Iterator[Callable[..., CuttingProxy]]:
    """Makes proxies before the service: `cut(1000)` cuts the first connection."""
    made: list[CuttingProxy] = []

    def make(*after: int, after_first: Callable[[], None] = lambda: None) -> CuttingProxy:
        made.append(CuttingProxy(int(address.rpartition(":")[2]), list(after), after_first))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("path", ["rest"], indirect=True)
def test_the_client_goes_on_where_a_download_broke_off(owner, blob, path, cut, tmp_path) -> None:
    network = cut(300_000, 100_000, 50)
    with Client(network.url, owner.key) as client:
        client.download_export(path.split("/")[3], tmp_path / "export.zip")
    assert (tmp_path / "export.zip").read_bytes() == ZIP
    parts = [re.search(rb"Range: bytes=(\d+)-", one) for one in network.requests]
    assert parts[0] is None
    first, second, third = (int(one[1]) for one in parts[1:] if one)
    assert 0 < first < 300_000 < second == third < 400_000
    assert all(f'If-Range: "{blob.sha256}"'.encode() in one for one in network.requests[1:])


@pytest.mark.parametrize("path", ["rest"], indirect=True)
def test_the_client_takes_a_file_that_has_changed_from_its_beginning(
    app, world, owner, path, cut, tmp_path
) -> None:
    changed = os.urandom(50_000)
    other = app.state.storage.put("exports", changed, "zip")
    search_id = UUID(path.split("/")[3])
    (final,) = [one.id for one in world.trials(search_id) if one.kind == "final"]
    network = cut(
        300_000,
        after_first=lambda: world.set(Trial, final, export_key=other.key, export_bytes=other.bytes),
    )
    with Client(network.url, owner.key) as client:
        client.download_export(str(search_id), tmp_path / "export.zip")
    assert (tmp_path / "export.zip").read_bytes() == changed
