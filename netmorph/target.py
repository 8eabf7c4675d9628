"""The service that a command talks to: a running one, or one that is started on demand."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from netmorph import processes
from netmorph.data_directory import DataDirectory
from netmorph.errors import LaunchError, Unreachable
from netmorph.launcher import Running
from netmorph.local_service import require_packages

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05  # between two looks at files and locks of another process


@dataclass(frozen=True, slots=True)
class Target:
    """The service at an address; without an address, that of a data directory."""

    directory: DataDirectory
    url: str | None = None
    key: str | None = None

    def running(self) -> Running:
        """The address and key of the service.

        Raises:
            Unreachable: no service runs in the data directory, or an address came without a key.
        """
        if self.url is not None:
            if self.key is None:
                raise Unreachable(
                    f"no key for the service at {self.url}: give --key or set NETMORPH_KEY"
                )
            return Running(self.url, self.key)
        if (running := find(self.directory)) is None:
            raise Unreachable(
                f"no service is running in {self.directory.path}: start it with "
                f"`netmorph up --data-dir {self.directory.path}`, or give --url and --key"
            )
        return Running(running.url, self.key or running.key)

    def sign_in_hint(self) -> str:
        """Which key opens the dashboard, without the key itself."""
        if self.key is not None:
            return "with the key given by --key or NETMORPH_KEY"
        return f'with the key "admin" in {self.directory.keys_file}'

    @contextlib.contextmanager
    def on_demand(self, *, workers: int) -> Iterator[Running]:
        """The service; if none is running, it is started and is stopped after its last user."""
        if self.url is not None:
            yield self.running()
            return
        if find(self.directory) is None:
            require_packages(workers=workers)  # before any file is made
        self.directory.prepare()
        with contextlib.ExitStack() as cleanup:
            users = cleanup.enter_context(contextlib.ExitStack())
            users.enter_context(self.directory.shared("users"))  # waits while a service is stopping
            if find(self.directory) is None:
                launcher = _launch(self.directory, workers)
                cleanup.callback(_wait_for_end, self.directory, launcher)
                cleanup.callback(users.close)
                _wait_for_start(self.directory, launcher)
            yield self.running()


def find(directory: DataDirectory) -> Running | None:
    """The service that is running in a data directory and has answered; None without one."""
    if not directory.is_locked("lock"):
        return None  # a killed launcher may have left its file
    service = directory.read("service.json")
    return Running(service["url"], directory.keys().admin) if service else None


def _launch(directory: DataDirectory, workers: int) -> subprocess.Popen[bytes]:
    """Start a launcher that outlives this process only while other commands use its service."""
    options = ["--data-dir", str(directory.path.resolve()), "--port", "0"]
    command = [sys.executable, "-P", "-m", "netmorph", "up", "--while-used", *options]
    log = directory.logs / "up.log"
    log.unlink(missing_ok=True)
    return processes.start(
        [*command, "--workers", str(workers)],
        log=log,
        cwd=directory.path,
        death_signal=None,
    )


def _wait_for_start(directory: DataDirectory, launcher: subprocess.Popen[bytes]) -> None:
    """Return when a service answers; it may be that of another launcher that was faster."""
    deadline = time.monotonic() + _START_SECONDS
    while find(directory) is None:
        log = directory.logs / "up.log"
        if launcher.poll() is not None and not directory.is_locked("lock"):
            reason = processes.exit_summary(log, lines=1).removeprefix("error: ")
            raise LaunchError(reason or f"the service ended while starting; see {log}")
        if time.monotonic() > deadline:
            raise LaunchError(f"the service did not answer within {_START_SECONDS:g} s; see {log}")
        time.sleep(_POLL_SECONDS)


def _wait_for_end(directory: DataDirectory, launcher: subprocess.Popen[bytes]) -> None:
    """Wait until the launcher has stopped everything, unless other commands still use it."""
    deadline = time.monotonic() + _STOP_SECONDS
    while launcher.poll() is None and time.monotonic() < deadline:
        if directory.is_shared("users"):
            return  # the last of the other commands will wait
        time.sleep(_POLL_SECONDS)
