"""`netmorph up`: run the whole service here."""

import os
from typing import Annotated

import typer

from netmorph import launcher
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    console,
    directory_of,
    print_json,
)
from netmorph.launcher import Running
from netmorph.stack import Stack

WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, max=256, help="Trials trained side by side.")
]


def up(
    workers: WorkersOption = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
    while_used: Annotated[bool, typer.Option("--while-used", hidden=True)] = False,
) -> None:
    """Run the whole service here until Ctrl-C: database, broker, API, dashboard, workers."""
    directory = directory_of(data_dir)
    stack = Stack(directory=directory, host=host, port=port, workers=workers)

    def announce(running: Running) -> None:
        if as_json:
            print_json(
                {
                    "url": running.url,
                    "key": running.key,
                    "data_dir": str(directory.path),
                    "pid": os.getpid(),
                }
            )
            return
        out = console()
        out.print("Netmorph runs. Ctrl-C stops it.", style="bold")
        out.print(f"  Dashboard  {running.url}/", soft_wrap=True)
        out.print(f"  API        {running.url}/docs", soft_wrap=True)
        out.print(f"  Key        {running.key}", soft_wrap=True)
        out.print(f"  Data       {directory.path}", soft_wrap=True)

    launcher.run(stack, while_used=while_used, announce=announce)
