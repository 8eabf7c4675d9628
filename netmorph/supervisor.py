"""Keeps children alive: starts them in order, restarts the dead, stops them in reverse order."""

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

_TICK = 0.25  # seconds between two looks at the children
_FIRST_DELAY = 0.5  # seconds before the first restart; doubled at each further one
_LONGEST_DELAY = 30.0
_CALM = 60.0  # seconds after which a child counts as healthy again


class Child(Protocol):
    """Something with a process: a program of ours, or a server."""

    name: str
    log: Path
    process: subprocess.Popen[bytes] | None

    def start(self) -> object:
        """Start the process and return when it works; LaunchError where it does not."""

    def stop(self) -> None:
        """End the process; nothing of it is left."""


@dataclass(slots=True)
class Program:
    """A child that is a command with settings in its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path  # the data directory
    log: Path = field(init=False)
    answers: Callable[[], bool] | None = None  # whether it works; None: believed at once
    start_seconds: float = 60.0
    grace: float = 20.0  # seconds it has to end by itself
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.log = self.directory / "logs" / f"{self.name}.log"

    def start(self) -> None:
        """Start the command and wait until it answers."""
        self.process = processes.start(
            self.command, log=self.log, cwd=self.directory, environment=self.environment
        )
        if self.answers is not None:
            processes.wait(self.process, self.log, self.answers, self.start_seconds)

    def stop(self) -> None:
        """Ask the command to end, and make it."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGTERM, grace=self.grace)


@dataclass(slots=True)
class _Health:
    """How often a child died lately, and when it may be started again."""

    started: float
    deaths: int = 0
    due: float | None = None  # None: it runs

    def died(self, now: float) -> float:
        """Note a death; the seconds until the restart."""
        self.deaths = 1 if now - self.started > _CALM else self.deaths + 1
        delay = min(_FIRST_DELAY * 2.0 ** (self.deaths - 1), _LONGEST_DELAY)
        self.due = now + delay
        return delay


@dataclass(slots=True)
class ProcessSupervisor:
    """The children of one launcher, in the order in which they need each other."""

    changed: Callable[[list[dict[str, object]]], None]  # told the running processes
    _children: list[Child] = field(default_factory=list)
    _health: dict[str, _Health] = field(default_factory=dict)

    def start(self, child: Child) -> object:
        """Start `child` for good; what its start returns. On an error it is stopped again."""
        self._children.append(child)
        result = child.start()
        self._health[child.name] = _Health(time.monotonic())
        self._tell()
        return result

    def watch(self, until: Callable[[], bool]) -> None:
        """Restart what dies, until told to end."""
        while not until():
            for child in self._children:
                self._look_at(child, time.monotonic())
            time.sleep(_TICK)

    def stop(self) -> None:
        """Stop all children, the last started first."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()

    def _look_at(self, child: Child, now: float) -> None:
        health = self._health[child.name]
        if health.due is None and child.process is not None and child.process.poll() is not None:
            child.stop()  # what the dead process left of its group
            delay = health.died(now)
            _say(f"{child.name} ended with {_ending(child)}; again in {delay:g} s")
        elif health.due is not None and now >= health.due:
            self._restart(child, health)

    def _restart(self, child: Child, health: _Health) -> None:
        try:
            child.start()
        except LaunchError as error:
            delay = health.died(time.monotonic())
            _say(f"{child.name} does not start: {error}; again in {delay:g} s")
        else:
            health.started, health.due = time.monotonic(), None
            self._tell()

    def _tell(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        self.changed([note for process in running if (note := _note(process.pid)) is not None])


def _ending(child: Child) -> str:
    """The exit code of a dead child and what it said last."""
    assert child.process is not None
    words = processes.exit_summary(child.log, lines=1)
    return f"{child.process.returncode}" + (f": {words}" if words else "")


def _note(pid: int) -> dict[str, object] | None:
    """What identifies a process for as long as the machine is up."""
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return None


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
