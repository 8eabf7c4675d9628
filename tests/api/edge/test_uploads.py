"""Uploads are checked before their body is read."""

import contextlib
import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import pytest
from fastapi import HTTPException

from api.edge.uploads import Uploads
from api.roles import Role
from api.store.keys import Caller

BOUNDARY = "b" * 16


def begin(address: str, path: str, headers: dict[str, str], size: int | None) -> tuple[int, str]:
    """The status and body that the server answers an upload whose body never comes."""
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    head = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", length,
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith((b"}", b"</html>\n", b"</html>")):
            if not (piece := connection.recv(2**16)):
                break
            answer += piece
            if answer.startswith(b"HTTP/1.1 303"):
                break
    head_, _, body = answer.decode().partition("\r\n\r\n")
    return int(head_.split()[1]), body


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((40, 4, 4), np.uint8), y=np.arange(40) % 2)
    return file.getvalue()


@pytest.mark.parametrize("size", [1000, None])
def test_an_upload_without_a_key_is_refused_before_its_body(address: str, size: int | None) -> None:
    assert begin(address, "/v1/datasets", {}, size)[0] == 401
    wrong = {"Authorization": "Bearer netmorph_wrong"}
    assert begin(address, "/v1/datasets", wrong, size)[0] == 401
    assert begin(address, "/ui/datasets", {}, size)[0] == 401


def test_a_workers_key_uploads_nothing(address: str, person: Any) -> None:
    headers = {"Authorization": f"Bearer {person(Role.WORKER).key}"}
    assert begin(address, "/v1/datasets", headers, 1000)[0] == 403


def test_an_upload_beyond_the_quota_is_refused_before_its_body(
    app: Any, address: str, person: Any, visitor: Any
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"owner_bytes": 1000})
    headers = {"Authorization": f"Bearer {person().key}"}
    status, body = begin(address, "/v1/datasets", headers, 1001)
    assert status == 403
    assert "expected at most 1,000" in json.loads(body)["detail"]
    assert begin(address, "/v1/datasets", headers, None)[0] == 403  # it may have any length
    cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in visitor.http.cookies.items())}
    status, body = begin(address, "/ui/datasets", cookie, 1001)
    assert status == 403
    assert "expected at most 1,000" in body


def test_what_is_kept_counts_and_admins_have_no_quota(app: Any, person: Any) -> None:
    def upload(one: Any, name: str) -> int:
        files = {"file": ("x.npz", npz())}
        return one.http.post("/v1/datasets", data={"name": name}, files=files).status_code

    user, other, admin = person(), person(), person(Role.ADMIN)
    assert upload(user, "first") == 201
    kept = user.http.get("/v1/datasets").json()["items"][0]["bytes"]
    tight = {"owner_bytes": kept + len(npz()) // 2}
    app.state.settings = app.state.settings.model_copy(update=tight)
    assert upload(user, "second") == 403
    assert upload(admin, "second") == 201
    app.state.settings = app.state.settings.model_copy(update={"owner_bytes": 2**20})
    assert upload(other, "second") == 201


def test_uploads_of_one_caller_are_counted_together_and_are_few() -> None:
    uploads = Uploads()
    one, other = (Caller(uuid4(), "somebody", Role.USER) for _ in range(2))
    with contextlib.ExitStack() as stack:
        counted = [stack.enter_context(uploads.reserve(one, size)) for size in (1, 2, 3, 4)]
        assert counted == [1, 3, 6, 10]
        assert stack.enter_context(uploads.reserve(other, 4)) == 4
        with pytest.raises(HTTPException, match="4 of your imports"):
            stack.enter_context(uploads.reserve(one, 5))
    with uploads.reserve(one, 6) as later:
        assert later == 6


def test_a_client_that_sends_all_at_once_reads_the_refusal(visit: Any) -> None:
    files = {"file": ("x.npz", b"x" * 2**20)}
    answer = visit().post("/v1/datasets", data={"name": "large"}, files=files)
    assert answer.status_code == 401
