"""The process behind `netmorph up`: it starts the service, watches it and stops it."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

import psutil

from netmorph import processes
from netmorph.data_directory import DataDirectory
from netmorph.embedded import family_of
from netmorph.errors import LaunchError
from netmorph.interruption import interrupted_by
from netmorph.local_service import LocalService, require_packages
from netmorph.supervisor import ProcessSupervisor

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Running:
    """The address of a running service and a key for it."""

    url: str
    key: str


def run(service: LocalService, *, while_used: bool, announce: Callable[[Running], None]) -> None:
    """Run the service until a signal arrives or, with `while_used`, until no command uses it.

    Raises:
        LaunchError: a service is running in the data directory, or this one cannot be started.
    """
    require_packages(workers=service.workers)
    directory = service.directory
    if not directory.path.exists():
        listening(service).close()  # raises before any file is made
    directory.prepare()
    with directory.locked("lock") as alone:
        if not alone:
            raise LaunchError(_already_running(directory))
        os.umask(0o077)
        end_leftovers(directory)
        with listening(service) as listener:
            port = listener.getsockname()[1]
            service = replace(service, port=port, listener=listener.fileno())
            _serve(service, while_used=while_used, announce=announce)


def _serve(service: LocalService, *, while_used: bool, announce: Callable[[Running], None]) -> None:
    directory = service.directory
    supervisor = ProcessSupervisor(lambda records: directory.write("children.json", records))
    with contextlib.ExitStack() as locks, interrupted_by(*_STOP_SIGNALS):
        try:
            service.start(supervisor)
            directory.write("service.json", {"url": service.url, "pid": os.getpid()})
            announce(Running(service.url, directory.keys().admin))
            supervisor.watch(lambda: while_used and _is_unused(directory, locks))
        except KeyboardInterrupt:
            pass
        finally:
            _ignore_signals()
            directory.remove("service.json")
            supervisor.stop()
            directory.remove("children.json")


def _is_unused(directory: DataDirectory, locks: contextlib.ExitStack) -> bool:
    """Whether no command holds the users' lock; if so, none gets it before `locks` ends."""
    with contextlib.ExitStack() as attempt:
        if attempt.enter_context(directory.locked("users")):
            locks.push(attempt.pop_all())
            return True
    return False


def _already_running(directory: DataDirectory) -> str:
    record = directory.read("service.json")
    state = f"at {record['url']} (process {record['pid']})" if record else "starting or stopping"
    return (
        f"a service is already running in {directory.path}: {state}; "
        "use or stop it, or choose another directory with --data-dir"
    )


def listening(service: LocalService) -> socket.socket:
    """A socket that listens on the service's address; raises LaunchError where that is taken.

    The launcher holds it from the beginning to the end, so that no other program can take the
    address while the service starts, or while its API process is restarted.
    """
    listener = socket.socket(family_of(service.host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((service.host, service.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise LaunchError(
            f"cannot listen on {service.host} port {service.port}: {error.strerror}; "
            "choose another port with --port, or 0 for any free one"
        ) from None
    return listener


def end_leftovers(directory: DataDirectory) -> None:
    """End the child processes of a launcher that was killed."""
    leftovers = []
    for record in directory.read("children.json") or ():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(record["pid"])
            if process.create_time() == record["created"]:
                leftovers.append(process)
    processes.end(reversed(leftovers), how=signal.SIGTERM, grace=10.0)
    directory.remove("service.json")
    directory.remove("children.json")


def _ignore_signals() -> None:
    """Let no signal interrupt the stop."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
