"""The trainer process: a fresh interpreter that holds torch, in a process group of its own.

Commands go down its stdin, events come up its stdout, its stderr goes to the worker's log. End of
file on stdin ends it, so that it cannot outlive a worker that was killed.
"""

import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import IO

from pydantic import ValidationError

from core.errors import NetmorphError
from core.protocol.contracts import Answer, TrainOrder
from worker.memory import oom_kills
from worker.messages import COMMANDS, EVENTS, Command, Event, Train

logger = logging.getLogger(__name__)
stderr_logger = logging.getLogger("worker.trainer")

_LONGEST_LINE = 1 << 20  # bytes of one event
_TAIL_LINES = 12  # of stderr, kept for the reason of a death
_LAST_WORDS = 5.0  # seconds for the end of a dying process, and for what is in a dead one's pipes
_UNKILLABLE = 10.0  # seconds after which a killed process is given up


class TrainerDied(NetmorphError):
    """The trainer process ended without a word: start another one."""


class Died:
    """The trainer's stdout is at its end."""


#: What a supervisor may find in its inbox.
Notice = Event | Died | Answer


class Trainer:
    """One running trainer process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.inbox: SimpleQueue[Notice] = SimpleQueue()
        self.trials = 0  # ordered so far
        self._commands: SimpleQueue[bytes | None] = SimpleQueue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._oom_kills = oom_kills()
        self._silent = Flag()  # its stdout is at its end
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

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, command: Command) -> None:
        """Write a command; never blocks, also when the trainer does not read."""
        self._commands.put(COMMANDS.dump_json(command) + b"\n")

    def order(self, order: TrainOrder) -> None:
        """Have an order trained; its events end with `Ended`."""
        self.trials += 1
        self.send(Train(order=order))

    def next_notice(self, timeout: float) -> Notice | None:
        """The next event or answer; None after `timeout` seconds without one."""
        try:
            return self.inbox.get(timeout=timeout)
        except Empty:
            if self.alive():
                return None
        try:
            return self.inbox.get(timeout=_LAST_WORDS)  # what it wrote before it died
        except Empty:  # a process that it left behind holds the pipe open
            return Died()

    def forget_notices(self) -> None:
        """Drop what is left of an earlier trial."""
        while not self.inbox.empty():
            self.inbox.get()

    def kill(self) -> None:
        """End the process and everything in its group, now; one that is ending may end."""
        if self._silent.is_set():  # its own exit code says more than our signal
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:  # macOS says so of a group that holds zombies only
            self._process.kill()
        self._finish()

    def retire(self, seconds: float) -> None:
        """End the process by the end of its input, by force after `seconds`."""
        self._commands.put(None)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            logger.warning("the trainer %d did not end by itself", self.pid)
        self.kill()

    def out_of_memory(self) -> bool:
        """Whether the system killed the process for lack of memory."""
        return self._process.poll() == -signal.SIGKILL and oom_kills() > self._oom_kills

    def exit_summary(self) -> str:
        """How the process ended, and the end of its stderr."""
        code = self._process.poll()
        if code is None:
            return "it cannot be killed"
        words = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if self.out_of_memory():
            words += " (out of memory)"
        tail = "\n".join(self._tail)
        return f"{words}; stderr: {tail}" if tail else words

    def _finish(self) -> None:
        try:
            self._process.wait(_UNKILLABLE)
        except subprocess.TimeoutExpired:
            logger.error("the trainer %d hangs in the kernel and cannot be killed", self.pid)
        self._commands.put(None)
        for thread in self._threads:
            thread.join(_LAST_WORDS)

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while (line := self._commands.get()) is not None:
                    pipe.write(line)
                    pipe.flush()
        except OSError as error:  # it died, which its end of file tells better
            logger.debug("writing to the trainer: %s", error)

    def _read_events(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_LONGEST_LINE):
                try:
                    self.inbox.put(EVENTS.validate_json(line))
                except ValidationError:
                    logger.warning("not an event of the trainer: %.200r", line)
        self._silent.set()
        self.inbox.put(Died())

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
