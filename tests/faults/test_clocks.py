"""Wrong clocks: those of the API and of the worker jump by hours, forward and back.

Times of rows are compared by the database's clock alone, durations are measured by monotonic
clocks. A jump of the database's own clock is in `tests.api.store.test_clock`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_service import RunningService

ROOT = Path(__file__).parents[2]
_WALL_CLOCK = re.compile(r"\b(datetime\.(now|utcnow|today)|time\.(time|time_ns|ctime))\(")
#: Compares with the clock of the bucket's server, and allows for a wrong clock on both sides.
ALLOWED = {"core/protocol/buckets.py"}


def test_no_code_reads_the_clock_of_its_machine() -> None:
    found = {
        str(file.relative_to(ROOT))
        for room in ("api", "core", "worker")
        for file in (ROOT / room).rglob("*.py")
        if _WALL_CLOCK.search(file.read_text())
    }
    assert found == ALLOWED


class WrongClock:
    """The clock of one program of a service, which may differ from all others."""

    def __init__(self, service: RunningService, program: str) -> None:
        self._file = service.directory / f"clock of {program}"
        self.show("+0")
        service.environment[program] |= {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name in older versions
            "NO_FAKE_STAT": "1",  # files have the times of the storage
        }

    def show(self, offset: str) -> None:
        """Differ from the right time by an offset such as "-3h"."""
        self._file.write_text(f"{offset}\n")


def library() -> Path:
    """The library that a program loads before the system's to have another clock."""
    libfaketime = pytest.importorskip("libfaketime")
    (found,) = Path(libfaketime.__file__).parent.rglob("libfaketime.so.1")
    return found


@pytest.fixture
def clocks(service_without_worker: RunningService) -> Iterator[list[WrongClock]]:
    """The clocks of the API and of the worker."""
    service = service_without_worker
    clocks = [WrongClock(service, program) for program in ("api", "worker")]
    service.stop_api()
    service.start_api()
    service.start_worker()
    yield clocks
    for variables in service.environment.values():
        variables.clear()
    service.stop_worker()
    service.stop_api()


@pytest.mark.slow
def test_jumps_of_the_clocks_of_api_and_worker_change_nothing(
    service_without_worker: RunningService, clocks: list[WrongClock]
) -> None:
    service = service_without_worker
    pids = (service.api.pid, service.worker.pid, service.trainer().pid)
    search_id = service.search(budget={"trials": 8, "seconds": 3000})
    for number, offsets in enumerate((("+3h", "-3h"), ("-3h", "+3h"), ("-3h", "-3h"), ("+0",) * 2)):
        service.wait_for_trial(search_id, number + 1)
        for clock, offset in zip(clocks, offsets, strict=True):
            clock.show(offset)

    found = service.wait_until_completed(search_id)

    assert sum(found["trial_counts"].values()) == 8
    assert service.rows("SELECT DISTINCT attempt FROM trials WHERE search_id = %s", search_id) == [
        (1,)
    ]
    assert (service.api.pid, service.worker.pid, service.trainer().pid) == pids
    hours = {line[11:13] for line in service.log("worker").splitlines() if line[:2] == "20"}
    assert len(hours) > 1  # the clock did jump
    service.audit_at_rest()
