"""`netmorph up` and `netmorph down`: run the whole service on this machine, and end it."""

import contextlib
import os
import signal
import time
from typing import Annotated

import typer

from netmorph import launcher
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    console,
    data_directory_of,
    print_json,
)
from netmorph.data_directory import DataDirectory
from netmorph.errors import ClientError, Unreachable
from netmorph.launcher import Running
from netmorph.local_service import LocalService

_DOWN_SECONDS = 60.0
_POLL_SECONDS = 0.05  # between two looks at the lock

WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, max=256, help="Workers: trials trained at the same time.")
]


def up(
    workers: WorkersOption = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free port.")
    ] = 8000,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
    while_used: Annotated[bool, typer.Option("--while-used", hidden=True)] = False,
) -> None:
    """Run the service on this machine: database, broker, API, dashboard, workers.

    Prints the address, and the administrator's key or where it is kept. Ctrl-C stops everything.
    """
    directory = data_directory_of(data_dir)
    service = LocalService(directory=directory, host=host, port=port, workers=workers)

    def announce(running: Running) -> None:
        if as_json:
            print_json(_as_json(running, directory))
            return
        out = console()
        for line in announcement(running, directory, show_key=out.is_terminal):
            out.print(line, soft_wrap=True)

    launcher.run(service, while_used=while_used, announce=announce)


def down(data_dir: DirectoryOption = None, as_json: JsonOption = False) -> None:
    """Stop the service of a data directory. Its searches go on at the next `netmorph up`."""
    directory = data_directory_of(data_dir)
    service = directory.read("service.json") if directory.is_locked("lock") else None
    if service is None:
        raise Unreachable(f"no service is running in {directory.path}: there is nothing to stop")
    with contextlib.suppress(ProcessLookupError):
        os.kill(service["pid"], signal.SIGTERM)
    _wait_for_end(directory)
    if as_json:
        print_json({"data_dir": str(directory.path), "stopped": service["pid"]})
    else:
        console().print(f"stopped the service in {directory.path}", soft_wrap=True)


def _wait_for_end(directory: DataDirectory) -> None:
    """Wait until the launcher has released its lock, which is the last thing that it does."""
    deadline = time.monotonic() + _DOWN_SECONDS
    while directory.is_locked("lock"):
        if time.monotonic() > deadline:
            raise ClientError(
                f"the service did not end within {_DOWN_SECONDS:g} s; see {directory.logs}"
            )
        time.sleep(_POLL_SECONDS)


def announcement(running: Running, directory: DataDirectory, *, show_key: bool) -> list[str]:
    """The lines that say how to use the service; without `show_key`, where to find the key.

    The key stays out of files and pipes: logs are kept, copied and read by others.
    """
    key = running.key if show_key else f'"admin" in {directory.keys_file}'
    return [
        "Netmorph is running. Press Ctrl-C to stop.",
        f"  Dashboard  {running.url}/",
        f"  API        {running.url}/docs",
        f"  Key        {key}",
        f"  Data       {directory.path}",
    ]


def _as_json(running: Running, directory: DataDirectory) -> dict[str, object]:
    return {
        "url": running.url,
        "key": running.key,
        "data_dir": str(directory.path),
        "pid": os.getpid(),
    }
