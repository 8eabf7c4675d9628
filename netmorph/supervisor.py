"""Keeps child processes running: starts them in order, restarts them, stops them in reverse."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from netmorph import processes
from netmorph.errors import LaunchError

_POLL_SECONDS = 0.25  # between two looks at the children
_FIRST_DELAY = 0.5  # seconds before the first restart; doubled for each further one
_LONGEST_DELAY = 30.0
_HEALTHY_AFTER = 60.0  # seconds of running after which earlier deaths no longer count
_LOG_SECONDS = 60.0  # between two looks at the sizes of the logs
_CHECK_SECONDS = 5.0  # between two checks of a running child's health
_UNHEALTHY_SECONDS = 20.0  # of failed checks after which a child is restarted
_STARTING_SECONDS = 30.0  # after the start, in which failed checks do not count


class Child(Protocol):
    """A program or server with one process."""

    name: str
    log: Path
    process: subprocess.Popen[bytes] | None
    #: Whether the running process does its work; None: it does as long as it runs.
    is_healthy: Callable[[], bool] | None

    def start(self) -> object:
        """Start the process and return when it answers; raise LaunchError if it does not."""

    def stop(self) -> None:
        """End the process and everything that it started."""


@dataclass(slots=True)
class Program:
    """A child that runs a command, with its settings in the environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path  # the data directory
    log: Path = field(init=False)
    answers: Callable[[], bool] | None = None  # whether it answers; None: do not wait
    is_healthy: Callable[[], bool] | None = None
    descriptors: Sequence[int] = ()  # open files that it inherits
    start_seconds: float = 60.0
    grace: float = 20.0  # seconds that it gets to end by itself
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.log = self.directory / "logs" / f"{self.name}.log"

    def start(self) -> None:
        """Start the command and wait until it answers."""
        self.launch()
        self.wait_for_answer()

    def launch(self) -> None:
        """Start the command."""
        self.process = processes.start(
            self.command,
            log=self.log,
            cwd=self.directory,
            environment=self.environment,
            descriptors=self.descriptors,
        )

    def wait_for_answer(self) -> None:
        """Wait until the command answers, where it is one that does; else stop it.

        Raises:
            LaunchError: it ended, or gave no answer in time.
        """
        if self.process is not None and self.answers is not None:
            processes.wait(self.process, self.log, self.answers, self.start_seconds)

    def stop(self) -> None:
        """Ask the command to end; kill it after `grace` seconds."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGTERM, grace=self.grace)


@dataclass(slots=True)
class Health:
    """How often a child died in a row, and when it is restarted."""

    started: float
    deaths: int = 0
    restart_at: float | None = None  # None: it is running
    check_at: float = 0.0  # time of the next check
    ailing_since: float | None = None  # None: the last check succeeded

    def has_failed(self, now: float, is_healthy: Callable[[], bool]) -> bool:
        """Check a running child now and then; whether it has failed all checks for long."""
        if now < max(self.check_at, self.started + _STARTING_SECONDS):
            return False
        self.check_at = now + _CHECK_SECONDS
        if is_healthy():
            self.ailing_since = None
        elif self.ailing_since is None:
            self.ailing_since = now
        return self.ailing_since is not None and now >= self.ailing_since + _UNHEALTHY_SECONDS

    def count_death(self, now: float) -> float:
        """Count a death or a failed restart; return the seconds until the next restart."""
        ran_well = self.restart_at is None and now - self.started > _HEALTHY_AFTER
        self.deaths = 1 if ran_well else self.deaths + 1
        delay = min(_FIRST_DELAY * 2.0 ** (self.deaths - 1), _LONGEST_DELAY)
        self.restart_at, self.ailing_since = now + delay, None
        return delay


@dataclass(slots=True)
class ProcessSupervisor:
    """The children of one launcher; each may need those before it."""

    on_change: Callable[[list[dict[str, object]]], None]  # gets the running processes
    _children: list[Child] = field(default_factory=list)
    _health: dict[str, Health] = field(default_factory=dict)

    def start(self, child: Child) -> object:
        """Start `child` and keep it running; return the result of its start."""
        self._children.append(child)
        result = child.start()
        self._health[child.name] = Health(time.monotonic())
        self._report()
        return result

    def start_together(self, programs: Sequence[Program]) -> None:
        """Start programs that need only those before them for their start; return when all answer.

        Most of a start is imports, each on a processor of its own.
        """
        self._children.extend(programs)
        for program in programs:
            program.launch()
        for program in programs:
            program.wait_for_answer()
            self._health[program.name] = Health(time.monotonic())
        self._report()

    def watch(self, until: Callable[[], bool]) -> None:
        """Restart each child that ends and keep the logs short, until `until` returns true."""
        logs_at = 0.0
        while not until():
            for child in self._children:
                self._check(child, time.monotonic())
            if time.monotonic() >= logs_at:
                logs_at = time.monotonic() + _LOG_SECONDS
                for child in self._children:
                    processes.shorten(child.log)
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop all children, the last started first."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()

    def _check(self, child: Child, now: float) -> None:
        health = self._health[child.name]
        if health.restart_at is None and _has_ended(child):
            child.stop()  # children that the dead process left
            delay = health.count_death(now)
            _log(f"{child.name} ended with {_ending(child)}; restart in {delay:g} s")
        elif health.restart_at is not None:
            if now >= health.restart_at:
                self._restart(child, health)
        elif child.is_healthy is not None and health.has_failed(now, child.is_healthy):
            child.stop()
            delay = health.count_death(time.monotonic())
            _log(f"{child.name} does not answer; it was ended, restart in {delay:g} s")

    def _restart(self, child: Child, health: Health) -> None:
        try:
            child.start()
        except LaunchError as error:
            delay = health.count_death(time.monotonic())
            _log(f"{child.name} does not start: {error}; next try in {delay:g} s")
        else:
            health.started, health.restart_at = time.monotonic(), None
            self._report()
            _log(f"{child.name} is running again")

    def _report(self) -> None:
        pids = [child.process.pid for child in self._children if child.process is not None]
        self.on_change([record for pid in pids if (record := _record(pid)) is not None])


def _has_ended(child: Child) -> bool:
    return child.process is not None and child.process.poll() is not None


def _ending(child: Child) -> str:
    """How a dead child ended: its signal or exit code, and the last line of its log."""
    assert child.process is not None
    code = child.process.returncode
    if code == -signal.SIGKILL:  # it had no time to log a reason
        return "SIGKILL"
    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
    summary = processes.exit_summary(child.log, lines=1)
    return f"{ending}: {summary}" if summary else ending


def _record(pid: int) -> dict[str, object] | None:
    """What identifies a process until the machine restarts; None if it has ended."""
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return None


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
