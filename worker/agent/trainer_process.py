"""The trainer process as the agent sees it: a new interpreter with torch, in its own process group.

Commands go to its stdin, events come from its stdout, its stderr goes to the worker's log. End of
file on stdin ends it, so that it cannot outlive a worker that was killed.
"""

import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import IO

from pydantic import ValidationError

from core.errors import NetmorphError
from core.protocol.contracts.reports import Answer
from core.protocol.contracts.train_orders import TrainOrder
from worker.messages import COMMANDS, EVENTS, Command, Event, Train

logger = logging.getLogger(__name__)
stderr_logger = logging.getLogger("worker.trainer")

_LONGEST_LINE = 1 << 20  # bytes of one event
_TAIL_LINES = 12  # of stderr, kept to explain an unexpected exit
_EXIT_TIMEOUT = 5.0  # seconds for a process to exit, and for its pipes to be read to their end
_KILL_TIMEOUT = 10.0  # seconds after which a killed process is left to the system
#: Of control groups of version 2, then of version 1: the mount, the hierarchy's name in
#: /proc/self/cgroup, and the file that counts processes killed for lack of memory.
_MEMORY_EVENTS = (("", "", "memory.events"), ("memory", "memory", "memory.oom_control"))


#: What libraries write to stderr before they end a process that gets no memory.
_MEMORY_SIGNS = ("Memory allocation still failed", "bad_alloc", "allocate memory", "out of memory")


class TrainerDied(NetmorphError):
    """The trainer process exited unexpectedly: start another one."""


class EndOfEvents:
    """The trainer's stdout was closed: the process has exited, or soon will."""


#: What a supervisor may find in its inbox.
Notice = Event | EndOfEvents | Answer


class TrainerProcess:
    """One running trainer process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.inbox: SimpleQueue[Notice] = SimpleQueue()
        self.trials = 0  # orders received so far
        self._commands: SimpleQueue[bytes | None] = SimpleQueue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._oom_kills = oom_kills()
        self._events_ended = Flag()  # its stdout was closed
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._threads = [
            Thread(target=target, args=(pipe,), name=name, daemon=True)
            for name, target, pipe in (
                ("trainer-stdin", self._write, self._process.stdin),
                ("trainer-stdout", self._read_events, self._process.stdout),
                ("trainer-stderr", self._read_stderr, self._process.stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its group."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, command: Command) -> None:
        """Send a command; never blocks, even when the trainer does not read."""
        self._commands.put(COMMANDS.dump_json(command) + b"\n")

    def train(self, order: TrainOrder) -> None:
        """Send an order to train; its events end with `Ended`."""
        self.trials += 1
        self._tail.clear()  # it explains this training alone
        self.send(Train(order=order))

    def next_notice(self, timeout: float) -> Notice | None:
        """The next event or answer; None after `timeout` seconds without one."""
        try:
            return self.inbox.get(timeout=timeout)
        except Empty:
            if self.is_alive():
                return None
        try:
            return self.inbox.get(timeout=_EXIT_TIMEOUT)  # written before the exit
        except Empty:  # a child process that is still running holds the pipe open
            return EndOfEvents()

    def take_inbox(self) -> list[Notice]:
        """Remove the notices that nobody has read, and return them."""
        return [self.inbox.get() for _ in range(self.inbox.qsize())]

    def kill(self) -> None:
        """Kill the process and its whole group; a process that is exiting may finish its exit."""
        if self._events_ended.is_set():  # its own exit code says more than our signal
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_TIMEOUT)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:  # macOS raises it for a group of zombies
            self._process.kill()
        self._wait_and_join()

    def shut_down(self, timeout: float) -> None:
        """Close the process's stdin, which ends it; kill it after `timeout` seconds."""
        self._commands.put(None)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            logger.warning("trainer %d did not exit within %g s; it is killed", self.pid, timeout)
        self.kill()

    def out_of_memory(self) -> bool:
        """Whether the process died for lack of memory: killed by the system, or by a library."""
        code = self._process.poll()
        if code == -signal.SIGKILL:
            return oom_kills() > self._oom_kills
        signs = any(sign in line for line in tuple(self._tail) for sign in _MEMORY_SIGNS)
        return code not in (None, 0) and signs

    def exit_summary(self) -> str:
        """How the process exited, and the last lines of its stderr."""
        code = self._process.poll()
        if code is None:
            return "it cannot be killed"
        summary = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if self.out_of_memory():
            summary += " (out of memory)"
        tail = "\n".join(self._tail)
        return f"{summary}; stderr: {tail}" if tail else summary

    def _wait_and_join(self) -> None:
        try:
            self._process.wait(_KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            logger.error("trainer %d cannot be killed: it hangs in a system call", self.pid)
        self._commands.put(None)
        for thread in self._threads:
            thread.join(_EXIT_TIMEOUT)

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while (line := self._commands.get()) is not None:
                    pipe.write(line)
                    pipe.flush()
        except OSError as error:  # the process has exited: `_read_events` notices
            logger.debug("writing to the trainer: %s", error)

    def _read_events(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_LONGEST_LINE):
                try:
                    self.inbox.put(EVENTS.validate_json(line))
                except ValidationError:
                    logger.warning("not an event of the trainer, skipped: %.200r", line)
        self._events_ended.set()
        self.inbox.put(EndOfEvents())

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_LONGEST_LINE):
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._tail.append(text[:500])
                    stderr_logger.info("%s", text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def oom_kills(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> int:
    """How many processes of this control group the system has killed for lack of memory.

    Zero where the system does not count them.
    """
    for file in _memory_events(root, groups):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
        return sum(int(count) for count in counts)
    return 0


def _memory_events(root: Path, groups: Path) -> Iterator[Path]:
    """The files that may count them: of this process's group, then of a container's only group.

    A container may see the name of its group on the host, but the group itself at the root.
    """
    try:
        listed = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:  # not Linux
        return
    for is_own in (True, False):
        for mount, hierarchy, name in _MEMORY_EVENTS:
            for _, controllers, path in listed:
                if controllers == hierarchy:
                    yield root / mount / (path.lstrip("/") if is_own else "") / name
