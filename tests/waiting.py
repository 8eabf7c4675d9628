"""Waiting for what another process or a database does, of which no event tells a test."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

PAUSE = 0.02  # seconds between two looks

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T],
    seconds: float = 20.0,
    explain: Callable[[], str] = lambda: "",
    pause: float = PAUSE,
) -> T:
    """Poll a condition until it is true and return its value; fail if that takes too long.

    `explain` gives what the failure shows beside the time, such as a log. `pause` is the time
    between two looks, in seconds: longer where a look takes the time of a service.
    """
    deadline = monotonic() + seconds
    while not (found := condition()):
        assert monotonic() < deadline, f"not true within {seconds} s: {condition} {explain()}"
        sleep(pause)
    return found
