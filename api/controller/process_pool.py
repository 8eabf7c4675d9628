"""A pool of processes in which the death of one costs the call that it was computing, and no more.

In `concurrent.futures.ProcessPoolExecutor` one dead process ends the pool and every call in it, and
a process that hangs is never ended. Here each process computes one call at a time for a thread of
its own. A process that dies while it is idle is replaced before the next call, which notices
nothing.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from traceback import format_exc
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from core.protocol.startup import uncollected

T = TypeVar("T")

_START_SECONDS = 120.0  # for a new process to import what the call needs
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy threads and connections


class ProcessDied(Exception):
    """The process died or hung while it computed this call: another try may do the same."""


class NoProcess(Exception):
    """No process can be started on this machine at the moment: try again later."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


class ProcessPool:
    """Computes calls in processes, each of which may take `seconds`."""

    def __init__(self, processes: int, seconds: float) -> None:
        self._children = [_Child(seconds) for _ in range(processes)]
        self._idle: SimpleQueue[_Child] = SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="process-pool")

    def submit(self, function: Callable[[Any], T], argument: Any) -> Future[T]:
        """The future result of a call, or its error; see `ProcessDied` and `NoProcess`."""
        return self._threads.submit(self._call, function, argument)

    def close(self) -> None:
        """End the processes; calls that are not finished fail."""
        for child in self._children:
            child.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[[Any], T], argument: Any) -> T:
        child = self._idle.get()
        try:
            outcome = child.compute((function, argument))
        finally:
            self._idle.put(child)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[no-any-return]


class _Child:
    """One process, started when it is first needed and again after its death."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = threading.Event()

    def compute(self, call: object) -> _Outcome:
        """The outcome of a call; the process may have died while it was idle, so it has two tries.

        Raises:
            ProcessDied: the process died or hung during the call.
            NoProcess: no process can be started.
        """
        if not (self._accepts(call) or self._accepts(call)):
            raise NoProcess("a process for suggestions ends or hangs before it accepts a call")
        outcome = self._receive(self._seconds)
        if outcome is None:
            ending = self._end()
            raise ProcessDied(f"the process of the call {ending}")
        return outcome

    def close(self) -> None:
        """End the process; no other is started."""
        self._closed.set()
        if self._process is not None:
            self._process.kill()

    def _accepts(self, call: object) -> bool:
        """Send a call to a living process; False where it ends or hangs before it accepts it."""
        try:
            connection = self._connected()
            with self._killed_after(_START_SECONDS):  # sending waits where the process hangs
                connection.send(call)
                accepted = self._receive(_START_SECONDS) is not None
        except OSError as error:
            if not isinstance(error, ConnectionError):
                raise NoProcess(f"no process can be started: {error}") from error
            accepted = False
        if not accepted:
            self._end()
        return accepted

    def _connected(self) -> Connection:
        if self._closed.is_set():
            raise NoProcess("the pool is closed")
        if self._connection is None:
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._process, self._connection = process, ours
        return self._connection

    def _receive(self, seconds: float) -> _Outcome | None:
        """The next message of the process; None where it has died, or sends none in time."""
        assert self._connection is not None
        try:
            if not self._connection.poll(seconds):
                return None
            message: _Outcome = self._connection.recv()
        except (EOFError, ConnectionError):
            return None
        return message

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        assert self._process is not None
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> str:
        """End the process, so that the next call gets another; how it ended, in words."""
        if self._process is None or self._connection is None:
            return "did not start"
        self._process.join(timeout=0.5)  # the pipe of a dying process closes first
        hung = self._process.is_alive()
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        self._connection.close()
        self._process = self._connection = None
        if hung:
            return f"gave no answer within {self._seconds:g} s"
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _serve(connection: Connection) -> None:
    """Compute calls in a process of the pool until its parent ends; Ctrl-C is the parent's.

    Its matrices are small: more than one thread each would only take cores from the trainers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        with uncollected():
            call = connection.recv()  # imports the function's module
        while True:
            threadpool_limits(limits=1)
            connection.send(_Outcome())  # accepted: from here on a death is the call's
            connection.send(_outcome(*call))
            call = connection.recv()


def _outcome(function: Callable[[Any], Any], argument: Any) -> _Outcome:
    try:
        return _Outcome(function(argument))
    except Exception as error:
        error.add_note(format_exc())  # a traceback does not pass from process to process
        return _Outcome(error=error)


def _end_with_parent() -> None:
    """End at once when the parent has died, even by kill -9: nobody waits for the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
