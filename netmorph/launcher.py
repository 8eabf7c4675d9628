"""`netmorph up`: one launcher a data directory, from the first check to the last child's end."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType

import psutil

from netmorph import processes
from netmorph.directory import DataDirectory
from netmorph.embedded import family_of, free_port
from netmorph.errors import LaunchError
from netmorph.stack import Stack, require_packages
from netmorph.supervisor import ProcessSupervisor

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers."""

    url: str
    key: str


def run(stack: Stack, *, while_used: bool, announce: Callable[[Running], None]) -> None:
    """Run the service until a signal ends it, or, with `while_used`, until nobody uses it."""
    require_packages(workers=stack.workers)
    directory = stack.directory
    if not directory.path.exists():
        _require_free(stack)  # before anything is made
    directory.prepare()
    with directory.locked("lock") as alone:
        if not alone:
            raise LaunchError(_already_running(directory))
        os.umask(0o077)
        _end_leftovers(directory)
        _require_free(stack)
        if stack.port == 0:
            stack = replace(stack, port=free_port(stack.host))
        _serve(stack, while_used=while_used, announce=announce)


def _serve(stack: Stack, *, while_used: bool, announce: Callable[[Running], None]) -> None:
    directory = stack.directory
    supervisor = ProcessSupervisor(lambda notes: directory.write("children.json", notes))
    with contextlib.ExitStack() as locks, _interrupted_by_signals():
        try:
            stack.start(supervisor)
            directory.write("service.json", {"url": stack.url, "pid": os.getpid()})
            announce(Running(stack.url, directory.keys().admin))
            supervisor.watch(lambda: while_used and _nobody_uses(directory, locks))
        except KeyboardInterrupt:
            pass
        finally:
            _ignore_signals()
            directory.remove("service.json")
            supervisor.stop()
            directory.remove("children.json")


def _nobody_uses(directory: DataDirectory, locks: contextlib.ExitStack) -> bool:
    """Whether no command holds the users' lock; if so nobody gets it before `locks` ends."""
    with contextlib.ExitStack() as attempt:
        if attempt.enter_context(directory.locked("users")):
            locks.push(attempt.pop_all())
            return True
    return False


def _already_running(directory: DataDirectory) -> str:
    service = directory.read("service.json") or {}
    where = service.get("url", "still starting or stopping")
    process = service.get("pid", "?")
    return f"a service runs in {directory.path} already: {where} (process {process})"


def _require_free(stack: Stack) -> None:
    """Raise LaunchError where the address cannot be listened on."""
    if stack.port == 0:
        return
    with socket.socket(family_of(stack.host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((stack.host, stack.port))
        except OSError as error:
            raise LaunchError(
                f"cannot listen on {stack.host} port {stack.port}: {error.strerror}; "
                "choose another with --port"
            ) from None


def _end_leftovers(directory: DataDirectory) -> None:
    """End the children of a launcher that was killed."""
    leftovers = []
    for note in directory.read("children.json") or ():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(note["pid"])
            if process.create_time() == note["created"]:
                leftovers.append(process)
    processes.end(reversed(leftovers), how=signal.SIGTERM, grace=10.0)
    directory.remove("service.json")
    directory.remove("children.json")


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Turn every signal that asks for the end into KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [n for n in _STOP_SIGNALS if n != signal.SIGHUP or _hears_hangup()]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hears_hangup() -> bool:
    """Whether the end of the terminal shall end us: not below nohup."""
    return signal.getsignal(signal.SIGHUP) != signal.SIG_IGN


def _ignore_signals() -> None:
    """Let nothing interrupt the stop."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
