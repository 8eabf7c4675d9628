"""The commands on workers: worker ls."""

import typer

from netmorph import tables
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    connect,
    console,
    messages,
    print_json,
)

workers = typer.Typer(no_args_is_help=True, help="List workers.")


@workers.callback()
def group() -> None:
    """Keep `ls` a command of its own, although there is no other."""


@workers.command("ls")
def ls(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the workers of the last day and the trial that each trains."""
    with connect(url, key, data_dir) as client:
        items = client.workers()
    if as_json:
        print_json(items)
        return
    out = console()
    out.print(tables.workers(items, out.width))
    if not items:
        messages().print("no worker: `netmorph up --workers 1` starts one")
