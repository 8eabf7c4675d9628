"""Options that several commands share, and the printing of results."""

import inspect
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.console import Console

from netmorph.client import Client
from netmorph.data_directory import DataDirectory, default_path
from netmorph.target import Target

MOST_TRIALS = 100_000  # of a budget
MOST_MINUTES = 30 * 24 * 60  # of a budget
MOST_IN_FLIGHT = 1024  # trials


class Priority(StrEnum):
    """When the waiting trials of a search are leased to workers."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


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


_PRIORITY = (
    "Which waiting trials workers take first: low ones after those of all users, high ones (admins "
    "only) before them. Default: "
)
PriorityOption = Annotated[Priority | None, typer.Option(help=f"{_PRIORITY}normal.")]
OtherPriorityOption = Annotated[Priority | None, typer.Option(help=f"{_PRIORITY}as before.")]
ClonePriorityOption = Annotated[
    Priority | None,
    typer.Option(help=f"{_PRIORITY}low for a clone of a search of low priority, else normal."),
]
SearchArgument = Annotated[
    str, typer.Argument(help="A search: its id, the beginning of its id, its name, or `last`.")
]

P = ParamSpec("P")

_LOG_WIDTH = 10_000  # columns of a file or a pipe: rows are never folded or cut


def data_directory_of(path: Path | None) -> DataDirectory:
    """The data directory that `--data-dir` names, or the default one."""
    return DataDirectory((path or default_path()).absolute())


def _named_by(
    url: UrlOption = None, key: KeyOption = None, data_dir: DirectoryOption = None
) -> Target:
    """The service that these options name."""
    return Target(data_directory_of(data_dir), url, key)


def with_service(command: Callable[Concatenate[Target, P], None]) -> Callable[..., None]:
    """The command with --url, --key and --data-dir in place of its first parameter, the service.

    In its help they stand behind its own options, but before --json.
    """
    naming = inspect.signature(_named_by).parameters
    _, *own = inspect.signature(command).parameters.values()

    @wraps(command)
    def run(**given: Any) -> None:
        command(_named_by(**{name: given.pop(name, None) for name in naming}), **given)  # type: ignore[call-arg]

    ordered = sorted((*own, *naming.values()), key=lambda one: one.name == "as_json")
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in ordered]
    run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return run


def connect(service: Target) -> Client:
    """A client of the service, which must be running."""
    running = service.running()
    return Client(running.url, running.key)


def console() -> Console:
    """The standard output for text; what is printed to a file or a pipe is never folded."""
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _LOG_WIDTH
    return out


def messages(*, quiet: bool = False) -> Console:
    """The standard error for progress and messages: the standard output is for results."""
    out = Console(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _LOG_WIDTH
    return out


def print_json(value: object) -> None:
    """Print one JSON document on one line of the standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
