"""Options that several commands share, and the printing of results."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netmorph.client import Client
from netmorph.data_directory import DataDirectory, default_path
from netmorph.target import Target

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="NETMORPH_URL",
        help="Address of a running service, such as http://host:8000.",
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="NETMORPH_KEY",
        help="API key. Default: the administrator's key in the data directory.",
    ),
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="NETMORPH_DATA_DIR",
        help="Folder with everything that the local service stores.",
        show_default="the data folder of the user; for root /var/lib/netmorph",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON, for programs.")]
SearchArgument = Annotated[
    str, typer.Argument(help="A search: its id, the beginning of its id, its name, or `last`.")
]


_LOG_WIDTH = 10_000  # columns of a file or a pipe: rows are never folded or cut


def data_directory_of(path: Path | None) -> DataDirectory:
    """The data directory that `--data-dir` names, or the default one."""
    return DataDirectory((path or default_path()).absolute())


def target_of(url: str | None, key: str | None, path: Path | None) -> Target:
    """The service that a command talks to."""
    return Target(data_directory_of(path), url, key)


def connect(url: str | None, key: str | None, path: Path | None) -> Client:
    """A client of the service that a command talks to, which must be running."""
    running = target_of(url, key, path).running()
    return Client(running.url, running.key)


def console() -> Console:
    """The standard output for text; what is printed to a file or a pipe is never folded."""
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _LOG_WIDTH
    return out


def messages() -> Console:
    """The standard error for progress and messages: the standard output is for results."""
    out = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _LOG_WIDTH
    return out


def print_json(value: object) -> None:
    """Print one JSON document on one line of the standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
