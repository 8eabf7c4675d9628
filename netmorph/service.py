"""Finds the service to talk to, and starts one on demand."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from netmorph import processes
from netmorph.directory import DataDirectory
from netmorph.errors import LaunchError, Unreachable
from netmorph.launcher import Running
from netmorph.stack import require_packages

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_TICK = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Target:
    """Which service a command is for: one at an address, else that of a data directory."""

    directory: DataDirectory
    url: str | None = None
    key: str | None = None

    def running(self) -> Running:
        """The service, which must be there."""
        if self.url is not None:
            if self.key is None:
                raise Unreachable(f"{self.url} needs a key: give --key or set NETMORPH_KEY")
            return Running(self.url, self.key)
        if (running := find(self.directory)) is None:
            raise Unreachable(
                f"no service runs in {self.directory.path}; start it with "
                f"`netmorph up --data-dir {self.directory.path}`, or give --url and --key"
            )
        return Running(running.url, self.key or running.key)

    @contextlib.contextmanager
    def on_demand(self, *, workers: int) -> Iterator[Running]:
        """The service; where none runs it is started here, and stopped after its last user."""
        if self.url is not None:
            yield self.running()
            return
        if find(self.directory) is None:
            require_packages(workers=workers)  # before anything is made
        self.directory.prepare()
        with contextlib.ExitStack() as cleanup:
            users = cleanup.enter_context(contextlib.ExitStack())
            users.enter_context(self.directory.shared("users"))  # one about to stop is waited for
            if find(self.directory) is None:
                launcher = _launch(self.directory, workers)
                cleanup.callback(_wait_for_end, self.directory, launcher)
                cleanup.callback(users.close)
                _wait_for_start(self.directory, launcher)
            yield self.running()


def find(directory: DataDirectory) -> Running | None:
    """The service that runs in a data directory and answers."""
    if not directory.is_locked("lock"):
        return None  # what a killed launcher left says nothing
    service = directory.read("service.json")
    return Running(service["url"], directory.keys().admin) if service else None


def _launch(directory: DataDirectory, workers: int) -> subprocess.Popen[bytes]:
    """Start a launcher that outlives us only while others use its service."""
    place = ["--data-dir", str(directory.path.resolve()), "--port", "0"]
    command = [sys.executable, "-P", "-m", "netmorph", "up", "--while-used", *place]
    log = directory.logs / "up.log"
    log.unlink(missing_ok=True)
    return processes.start(
        [*command, "--workers", str(workers)],
        log=log,
        cwd=directory.path,
        death_signal=None,
    )


def _wait_for_start(directory: DataDirectory, launcher: subprocess.Popen[bytes]) -> None:
    """Return when a service answers, be it another launcher's that was quicker."""
    deadline = time.monotonic() + _START_SECONDS
    while find(directory) is None:
        if launcher.poll() is not None and not directory.is_locked("lock"):
            words = processes.exit_summary(directory.logs / "up.log", lines=1)
            raise LaunchError(words.removeprefix("error: ") or "the service ended at its start")
        if time.monotonic() > deadline:
            raise LaunchError(f"no service answers after {_START_SECONDS:g} s")
        time.sleep(_TICK)


def _wait_for_end(directory: DataDirectory, launcher: subprocess.Popen[bytes]) -> None:
    """Wait until the launcher has stopped everything, unless other commands still use it."""
    deadline = time.monotonic() + _STOP_SECONDS
    while launcher.poll() is None and time.monotonic() < deadline:
        if directory.is_shared("users"):
            return  # the last of the others will wait
        time.sleep(_TICK)
