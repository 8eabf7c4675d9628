"""Arbitrary headers, queries, cookies and forms: refused or ignored, never an error of ours."""

from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.dashboard.visitors import COOKIE
from tests.api.visitors import token

UNKNOWN = "00000000-0000-0000-0000-000000000000"
HEADERS = (
    "Accept", "Authorization", "Content-Type", "Cookie", "Idempotency-Key", "If-Modified-Since",
    "If-None-Match", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site", "X-Forwarded-For",
    "X-Forwarded-Proto",
)  # fmt: skip
QUERIES = ("cost", "cursor", "limit", "next", "since", "theme", "wait")
FIELDS = (
    "cost", "dataset", "ensemble", "key", "minutes", "name", "next", "parallelism", "seed",
    "strategy", "token", "trials",
)  # fmt: skip

#: Whatever a header can carry through HTTP, with values that parsers have failed on.
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")),
    st.sampled_from(["²", "http://[", "bytes=0-", "W/", '"', "charset=idna", "0" * 40, "-1", "é"]),
)
TEXTS = st.one_of(
    st.text(max_size=40), st.sampled_from(["\0", "W1swXV0", "WzFlOTld", "[" * 90, "WyItMSIsMF0"])
)

Send = Callable[..., int]


@pytest.fixture
def send(visitor, world, address) -> Send:
    """Sends a signed-in user's request, even one that clients refuse; returns the status."""
    user = visitor
    session = f"{COOKIE}={user.http.cookies[COOKIE]}"
    search = world.search(user.caller)
    trial = world.trial(search)
    parts = urlsplit(address)
    known = {"search": search, "trial": trial, "unknown": UNKNOWN}

    def go(method: str, path: str, headers: dict[str, str], body: str | None = None) -> int:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        headers = {"Authorization": f"Bearer {user.key}", "Cookie": session} | headers
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        try:
            connection.request(method, path.format(**known), body, encoded)
            return connection.getresponse().status
        finally:
            connection.close()

    return go


def fuzz(**kinds: Any) -> Callable[..., Any]:
    """Few examples, as each is a request; the examples of before are tried first."""
    bounded = settings(
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return lambda test: bounded(given(**kinds)(test))


@fuzz(
    path=st.sampled_from(
        ["/v1/searches/{search}", "/v1/searches/{unknown}/events", "/sign-in", "/", "/healthz",
         "/static/netmorph.css", "/v1/trials/{trial}", "/ui/searches"]
    ),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=4),
)  # fmt: skip
@example(path="/v1/searches/{search}", headers={"If-None-Match": '"²"'})
@example(path="/v1/searches/{unknown}/events", headers={"Last-Event-ID": "²"})
def test_no_header_is_an_error_of_ours(send: Send, path, headers) -> None:
    assert send("GET", path, headers) < 500


@fuzz(
    path=st.sampled_from(
        ["/v1/searches", "/v1/searches/{search}", "/v1/searches/{search}/trials", "/v1/datasets",
         "/v1/searches/{search}/front", "/v1/trials/{trial}/figures/curves", "/sign-in"]
    ),
    query=st.dictionaries(st.sampled_from(QUERIES), TEXTS, max_size=3),
)  # fmt: skip
@example(path="/v1/searches/{search}/trials", query={"cursor": "Wy0xZTQwXQ"})
@example(
    path="/v1/searches/{search}/trials",
    query={"cursor": "Wy05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OV0"},  # [-999…]: below any integer column
)
def test_no_query_is_an_error_of_ours(send: Send, path, query) -> None:
    query.pop("wait", None)
    assert send("GET", f"{path}?{urlencode(query, errors='replace')}", {}) < 500


@fuzz(path=TEXTS)
@example(path="static/\0")
@example(path="static/" + "x" * 5000)
def test_no_path_is_an_error_of_ours(send: Send, path) -> None:
    for before in ("/", "/v1/searches/", "/v1/datasets/builtin/", "/ui/searches/", "/static/"):
        assert send("GET", before + quote(path, errors="replace"), {}) < 500


@fuzz(
    fields=st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=6),
    headers=st.dictionaries(
        st.sampled_from(["Origin", "Sec-Fetch-Site", "Cookie"]), VALUES, max_size=2
    ),
    charset=st.sampled_from(["", "; charset=utf-8", "; charset=idna", "; charset=undefined"]),
)
@example(fields={"key": "k"}, headers={"Origin": "http://["}, charset="")
def test_no_form_is_an_error_of_ours(send: Send, visitor, fields, headers, charset) -> None:
    fields = {"token": token(visitor.http)} | fields
    headers = headers | {"Content-Type": f"application/x-www-form-urlencoded{charset}"}
    for path in ("/sign-in", "/searches", "/searches/{search}/stop"):
        assert send("POST", path, headers, urlencode(fields, errors="replace")) < 500


TYPES = st.one_of(
    VALUES,
    st.sampled_from(
        ["APPLICATION/JSON", "application/vnd.x+JSON", "application/json;charset=UTF-8",
         "application/\tjson", "text/plain", "", "application/json, text/plain", "json"]
    ),
)  # fmt: skip


@fuzz(kind=TYPES, body=st.sampled_from(['"budget": {"trials": NaN}', '"seed": 1, "seed": 2']))
def test_a_body_that_is_not_strict_json_creates_nothing_whatever_its_type(
    send: Send, kind, body
) -> None:
    text = '{"dataset": "digits", "budget": {"trials": 1}, ' + body + "}"
    assert 400 <= send("POST", "/v1/searches", {"Content-Type": kind}, text) < 500


@pytest.mark.parametrize("charset", ["idna", "undefined", "unicode_escape", "utf-16"])
def test_a_form_that_is_not_utf_8_is_refused(person, charset) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\\ud800\xff\r\n--b--\r\n'
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    for path in ("/v1/datasets", "/ui/datasets", "/sign-in"):
        answer = person().http.post(path, content=body, headers={"Content-Type": kind})
        assert (answer.status_code, "UTF-8" in answer.text) == (415, True)


@pytest.mark.parametrize("host", ["127.0.0.1:[", "127.0.0.1:port", "127.0.0.1:"])
def test_a_host_header_that_is_no_address_is_no_error_of_ours(send: Send, host) -> None:
    for path in ("/", "/sign-in", "/v1/searches", "/workers/"):
        assert send("GET", path, {"Host": host}) < 500
