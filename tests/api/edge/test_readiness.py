"""Readiness: checked once for all probes of a few seconds, with a clock of its own."""

import threading

from api.edge.readiness import Readiness
from tests.clock import Clock


class Part:
    """A part of the service that counts its checks."""

    def __init__(self) -> None:
        self.is_good = True
        self.checks = 0

    def __call__(self) -> bool:
        self.checks += 1
        return self.is_good


def test_a_good_result_is_kept_for_five_seconds_and_a_bad_one_for_one() -> None:
    clock, part = Clock(), Part()
    readiness = Readiness({"part": part}, clock)
    for now, is_good, checks in (
        (0, True, 1), (4.9, False, 1), (5, False, 2), (5.9, True, 2), (6, True, 3), (7, True, 3),
    ):  # fmt: skip
        clock.now, part.is_good = now, is_good
        readiness.results()
        assert part.checks == checks, now
    assert readiness.results() == {"part": "ready"}


def test_probes_do_not_wait_for_a_check_that_hangs() -> None:
    begun, end = threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return end.wait(10)

    readiness = Readiness({"storage": hang, "database": Part()})
    first = threading.Thread(target=readiness.results)
    first.start()
    assert begun.wait(10)
    assert readiness.results() == {"storage": "not ready", "database": "not ready"}
    end.set()
    first.join()
    assert readiness.results() == {"storage": "ready", "database": "ready"}
