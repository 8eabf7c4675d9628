"""The limits of requests, on an application that only counts what reaches it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from api.edge import limits
from api.edge.limits import JSON_BYTES, JSON_DEPTH, RequestLimits

UPLOAD_BYTES = 1000
ROOM = 2**20  # for the form around an uploaded file


class Counter:
    """An application that reads the whole body; None where the client is gone."""

    def __init__(self) -> None:
        self.body: bytes | None = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self.body is not None:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.body = None
                return
            self.body += message["body"]
            if not message.get("more_body"):
                return


def send(
    body: bytes,
    path: str = "/v1/searches",
    kind: str = "application/json",
    chunk: int = 2**16,
    raw: list[tuple[bytes, bytes]] | None = None,
    **headers: str,
) -> tuple[Counter, int | None]:
    """The application after a request, and the status of a refusal."""
    app, sent = Counter(), []
    chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]
    waiting = [
        {"type": "http.request", "body": one, "more_body": index < len(chunks) - 1}
        for index, one in enumerate(chunks)
    ]

    async def receive() -> Message:
        return waiting.pop(0)

    async def keep(message: Message) -> None:
        sent.append(message)

    named = {"content-type": kind} | {n.replace("_", "-"): v for n, v in headers.items()}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": raw or [(name.encode(), value.encode()) for name, value in named.items()],
    }
    asyncio.run(RequestLimits(app, UPLOAD_BYTES)(scope, receive, keep))
    starts = [message["status"] for message in sent if message["type"] == "http.response.start"]
    return app, starts[0] if starts else None


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", None),
        (b"", None),
        (nested(JSON_DEPTH), None),
        (nested(JSON_DEPTH + 1), 400),
        (json.dumps("[" * 99).encode(), None),
        (b'{"a": {"b": 1, "b": 2}}', 400),
        (b"[-Infinity]", 400),
        (b"[1e400]", 422),
        (b'["\\u0000"]', 422),
        (b'{"\\ud800": 1}', 422),
        (b'["\\ud83d\\ude00"]', None),
        (b"\xff", 400),
        (b'"' + b"x" * (JSON_BYTES - 2) + b'"', None),
        (b'"' + b"x" * (JSON_BYTES - 1) + b'"', 413),
    ],
    ids=range(14),
)
def test_json_is_strict_and_small(body: bytes, status: int | None) -> None:
    app, refused = send(body)
    assert refused == status
    assert app.body == (body if status is None else b"")


@pytest.mark.parametrize("path", ["/v1/datasets", "/ui/datasets"])
def test_an_upload_may_be_larger_and_is_cut_off_at_its_limit(path: str) -> None:
    """Whether its length was announced or not."""
    most = UPLOAD_BYTES + ROOM
    assert send(bytes(most), path, "multipart/form-data")[0].body == bytes(most)
    cut_off = send(bytes(most + 1), path, "multipart/form-data")
    assert (cut_off[0].body, cut_off[1]) == (None, 413)
    announced = send(b"", path, "multipart/form-data", content_length=str(most + 1))
    assert announced[1] == 413
    assert send(bytes(most), path)[1] == 413  # as JSON
    assert send(bytes(most), "/v1/datasets/builtin/digits", "multipart/form-data")[1] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "identity"}, None),
        ({"content_encoding": "Identity"}, None),
        ({"kind": "application/json; charset=utf-8"}, None),
        ({"kind": 'application/json; charset="UTF-8"'}, None),
        ({"kind": "application/x-www-form-urlencoded; charset=idna"}, 415),
        ({"kind": "multipart/form-data; charset = utf-16; boundary=b"}, 415),
        ({"kind": "multipart/form-data; charset=utf-8-sig"}, 415),
        ({"content_length": "²"}, None),
        ({"content_length": "9" * 5000}, 413),
    ],
)
def test_bodies_are_unpacked_utf_8(headers: dict[str, Any], status: int | None) -> None:
    assert send(b"{}", **headers)[1] == status


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON", "Application/Merge-Patch+Json"]
)
def test_json_is_strict_however_its_type_is_written(kind: str) -> None:
    assert send(b"[NaN]", kind=kind)[1] == 400
    assert send(b"[NaN]", "/v1/datasets", kind=kind)[1] == 400


def test_json_is_strict_where_a_second_type_hides_the_first() -> None:
    """FastAPI reads the first of two headers."""
    headers = [(b"content-type", b"application/json"), (b"Content-Type", b"text/plain")]
    for one in (headers, headers[::-1]):
        assert send(b"[NaN]", raw=one)[1] == 400


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_body_arrives_as_it_was_sent_or_is_refused(body: bytes, chunk: int) -> None:
    app, status = send(body, chunk=chunk)
    assert (app.body == body) if status is None else status in {400, 422}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/searches", "application/json"), ("/v1/datasets", "multipart/form-data")],
)
def test_a_body_that_does_not_come_is_not_waited_for(
    path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        if not sent:
            sent.append({"type": "http.request", "body": b"{", "more_body": True})
            return sent[0]
        await asyncio.Event().wait()
        raise AssertionError("nothing sets this event")

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"content-type", kind.encode())],
    }
    asyncio.run(RequestLimits(Counter(), UPLOAD_BYTES)(scope, receive, keep))
    assert sent[1]["status"] == 408
