"""The throttle on failures, with a clock of its own."""

import pytest
from fastapi import HTTPException

from api.edge.throttle import Throttle, network
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


def test_a_failure_counts_for_each_of_its_origins(throttle: Throttle) -> None:
    for number in range(20):
        throttle.failed(f"address {number}", "one key")
    assert is_open(throttle, "address 0")
    assert not is_open(throttle, "one key")
    with pytest.raises(HTTPException):
        throttle.check("address 0", "one key")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff", "2001:db8::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_client_cannot_pass_for_many_addresses(address: str, counted: str) -> None:
    assert network(address) == counted
