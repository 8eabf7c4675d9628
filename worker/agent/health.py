"""Whether a worker is alive: its loop touches a file, the health check looks at the file's age.

A process id proves nothing, and an answer of the broker little: a healthy worker asks for work or
trains. The thread that holds the runner lock touches the file.
"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, time

from worker.settings import Settings

_TOUCH_SECONDS = 2.0  # at least, between two touches
_GRACE_SECONDS = 60.0  # beyond three polls: longer than any one request


class HealthFile:
    """The file whose age says when the worker's loop last ran."""

    def __init__(self, file: Path, clock: Callable[[], float] = monotonic) -> None:
        self._file = file
        self._clock = clock  # in seconds
        self._touched_at = float("-inf")
        file.parent.mkdir(parents=True, exist_ok=True)

    def touch(self) -> None:
        """Record that the worker's loop runs; does nothing soon after the last touch."""
        if self._clock() >= self._touched_at + _TOUCH_SECONDS:
            self._file.touch()
            self._touched_at = self._clock()

    def remove(self) -> None:
        """Record that the worker has ended."""
        self._file.unlink(missing_ok=True)


def health_problem(settings: Settings, now: Callable[[], float] = time) -> str | None:
    """Why the worker of these settings is not healthy; None where it is."""
    try:
        age = now() - settings.health_file.stat().st_mtime
    except FileNotFoundError:
        return f"no worker {settings.worker_name!r} runs here: {settings.health_file} is missing"
    longest = 3 * settings.poll_seconds + _GRACE_SECONDS
    if age > longest:
        return f"the worker has not moved for {age:.0f} s (expected: at most {longest:.0f} s)"
    return None
