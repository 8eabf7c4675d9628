"""The throttle on wrong keys, with a clock of its own; the Authorization header."""

import contextlib

import pytest
from fastapi import HTTPException, Request
from hypothesis import given
from hypothesis import strategies as st

from api.edge.authentication import Throttle, bearer
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def is_open(throttle: Throttle, address: str = "here") -> bool:
    try:
        throttle.check(address)
    except HTTPException:
        return False
    return True


def test_the_answer_says_how_long_to_wait(throttle: Throttle) -> None:
    for _ in range(20):
        throttle.failed("here")
    with pytest.raises(HTTPException) as caught:
        throttle.check("here")
    assert (caught.value.status_code, caught.value.headers) == (429, {"Retry-After": "60"})


def test_an_address_must_wait_after_twenty_failures(throttle: Throttle) -> None:
    for _ in range(20):
        assert is_open(throttle)
        throttle.failed("here")
    assert not is_open(throttle)
    assert is_open(throttle, "elsewhere")


def test_failures_are_forgiven_one_every_three_seconds(throttle: Throttle, clock: Clock) -> None:
    for _ in range(20):
        throttle.failed("here")
    clock.now = 2.9
    assert not is_open(throttle)
    clock.now = 3.1
    assert is_open(throttle)
    throttle.failed("here")
    assert not is_open(throttle)


def test_a_minute_forgives_every_failure_and_no_credit_is_saved_up(
    throttle: Throttle, clock: Clock
) -> None:
    for _ in range(20):
        throttle.failed("here")
    clock.now = 3600.0
    for _ in range(20):
        assert is_open(throttle)
        throttle.failed("here")
    assert not is_open(throttle)


def test_the_oldest_of_very_many_addresses_is_forgotten(throttle: Throttle) -> None:
    for _ in range(20):
        throttle.failed("here")
    for number in range(10_000):
        throttle.failed(f"address {number}")
    assert is_open(throttle)


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
