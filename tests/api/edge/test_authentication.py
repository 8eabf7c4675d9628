"""The Authorization header, and what a wrong key leaves behind."""

import contextlib
import logging
from typing import Any

import pytest
from fastapi import HTTPException, Request
from hypothesis import given
from hypothesis import strategies as st

from api.edge.authentication import bearer
from api.roles import Role
from tests.api.visitors import enter


def request(*headers: str) -> Request:
    raw = [(b"authorization", header.encode("latin-1")) for header in headers]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_key_of_a_bearer_is_read(scheme: str) -> None:
    assert bearer(request(f"{scheme} netmorph_secret")) == "netmorph_secret"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Bearer a", "Bearer a"],
        ["Basic a"],
        ["Bearer"],
        ["Bearer "],
        ["Bearer é"],
        ["Bearer " + "a" * 201],
    ],
)
def test_any_other_authorization_is_a_challenge(headers: list[str]) -> None:
    with pytest.raises(HTTPException) as caught:
        bearer(request(*headers))
    assert caught.value.status_code == 401
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_a_key_or_a_challenge(text: str) -> None:
    with contextlib.suppress(HTTPException):
        assert bearer(request(text)).isascii()


def wrong(number: int = 0) -> str:
    """A wrong key that looks like a real one; each begins differently."""
    return f"netmorph_{number:04}" + "x" * 39


def test_wrong_keys_never_lock_right_ones_out(app: Any, person: Any, visit: Any) -> None:
    people = [person(role) for role in Role]
    guesser = visit()
    codes = []
    for number in range(25):
        guesser.headers["Authorization"] = f"Bearer {wrong(number)}"
        codes.append(guesser.get("/v1/searches").status_code)
    assert codes == [401] * 20 + [429] * 5
    for one in people:  # from the same address
        assert one.http.get("/v1/searches").status_code in (200, 403)
    assert enter(guesser, people[0].key).status_code == 303
    assert guesser.get("/").status_code == 200


def test_wrong_keys_are_logged_by_what_people_may_see_of_them(
    visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = visit()
    with caplog.at_level(logging.WARNING, "api.edge.authentication"):
        for raw in [*[wrong()] * 25, "hunter2"]:
            client.get("/v1/searches", headers={"Authorization": f"Bearer {raw}"})
    lines = [record.getMessage() for record in caplog.records if "wrong key" in record.message]
    assert len(lines) == 20  # what is throttled is not logged
    assert set(lines) == {"wrong key from 127.0.0.1, beginning with 'netmorph_0000'"}
    assert "hunter2" not in caplog.text


def test_only_a_configured_proxy_names_the_address_of_its_client(
    app: Any, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = visit()
    for number in range(25):
        headers = {
            "Authorization": f"Bearer {wrong(number)}",
            "X-Forwarded-For": f"10.0.0.{number}",
        }
        answer = client.get("/v1/searches", headers=headers)
    assert answer.status_code == 429
    assert "10.0.0" not in caplog.text
