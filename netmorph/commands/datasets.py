"""The commands on data sets: dataset add, dataset ls."""

from pathlib import Path
from typing import Annotated

import typer

from netmorph import tables
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    connect,
    console,
    print_json,
)
from netmorph.errors import ClientError

datasets = typer.Typer(no_args_is_help=True, help="Upload and list data sets.")


@datasets.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="An npz file with x_train and y_train, or x and y.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the data set. Default: the name of the file.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload an npz file as a data set."""
    if not path.is_file():
        raise ClientError(f"there is no file {path}; expected an npz file")
    with connect(url, key, data_dir) as client:
        item = client.add_dataset(path, name or path.stem)
    if as_json:
        print_json(item)
    else:
        console().print(f"{item['name']} is data set {item['id']}", soft_wrap=True)


@datasets.command("ls")
def ls(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets."""
    with connect(url, key, data_dir) as client:
        items = list(client.datasets())
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.datasets(items, out.width))
