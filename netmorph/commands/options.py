"""Options that several commands take, and how results are printed."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netmorph.client import Client
from netmorph.directory import DataDirectory, default_path
from netmorph.service import Target

UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="NETMORPH_URL", help="Address of a service elsewhere."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", envvar="NETMORPH_KEY", help="API key; default: the data directory's."),
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="NETMORPH_DATA_DIR",
        help="Where the local service keeps everything.",
        show_default=str(default_path()),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
SearchArgument = Annotated[
    str, typer.Argument(help="Id of a search, its beginning, its name, or `last`.")
]


def directory_of(path: Path | None) -> DataDirectory:
    """The data directory to use."""
    return DataDirectory((path or default_path()).absolute())


def target_of(url: str | None, key: str | None, path: Path | None) -> Target:
    """The service that a command is for."""
    return Target(directory_of(path), url, key)


def connect(url: str | None, key: str | None, path: Path | None) -> Client:
    """A client of the service that a command is for, which must be running."""
    running = target_of(url, key, path).running()
    return Client(running.url, running.key)


def console() -> Console:
    """Where people read."""
    return Console(highlight=False, markup=False, emoji=False)


def print_json(value: object) -> None:
    """One JSON document on one line of the standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
