"""Whether a worker lives: its loop touches a file, the health check looks at the file's age.

A process id proves nothing and a broker's answer little: what counts is that the worker asks for
work or trains. Whoever holds the worker's one place touches the file.
"""

from pathlib import Path
from time import monotonic, time

from worker.settings import Settings

_OFTEN = 2.0  # seconds between two touches
_PATIENCE = 60.0  # seconds beyond three polls: longer than any one request


class Pulse:
    """Touches the health file, not more often than is of use."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._touched = -_OFTEN
        file.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self) -> None:
        """Say that the worker's loop turns."""
        if monotonic() >= self._touched + _OFTEN:
            self._file.touch()
            self._touched = monotonic()

    def end(self) -> None:
        """Say that the worker is no more."""
        self._file.unlink(missing_ok=True)


def health_problem(settings: Settings) -> str | None:
    """What is wrong with the worker of these settings; None where it is well."""
    try:
        age = time() - settings.health_file.stat().st_mtime
    except FileNotFoundError:
        return f"no worker {settings.worker_name!r} runs here: {settings.health_file} is missing"
    longest = 3 * settings.poll_seconds + _PATIENCE
    if age > longest:
        return f"the worker has not moved for {age:.0f} s (at most {longest:.0f} s are expected)"
    return None
