"""`netmorph up`: run the whole service on this machine."""

import os
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
from netmorph.launcher import Running
from netmorph.local_service import LocalService

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

    Prints the address and the administrator's key. Ctrl-C stops everything.
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
