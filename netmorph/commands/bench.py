"""The command bench load: how much the service takes on this machine and this database."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from netmorph.commands.options import JsonOption, console, print_json
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from netmorph.errors import ClientError

benches = typer.Typer(no_args_is_help=True, help="Measure the service.")

_STORAGE = "memory://bench"  # the measurement makes a folder of its own


@benches.command("load")
def load(
    workers: Annotated[int, typer.Option(min=1, help="Simulated workers.")] = 1000,
    searches: Annotated[int, typer.Option(min=1, help="Searches with waiting trials.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30.0,
    offered: Annotated[
        float, typer.Option(min=0.1, help="Results per second that the workers offer.")
    ] = 200.0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="API processes.")] = 1,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="PostgreSQL server, postgresql://user:password@host:5432/name; a database is made "
            "there and removed. Default: a private server."
        ),
    ] = None,
    broker_url: Annotated[
        str | None, typer.Option(help="Valkey or Redis server. Default: a private server.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure a small load, within 50 seconds.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how many results per second the service takes from simulated workers, over HTTP."""
    chosen = {
        "workers": workers, "searches": searches, "seconds": seconds, "offered": offered,
        "processes": processes,
    }  # fmt: skip
    found = measure(
        {} if quick else chosen, quick=quick, database_url=database_url, broker_url=broker_url
    )
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console().print(f"{name:22} {_cell(value)}", soft_wrap=True)


def measure(
    options: Mapping[str, float],
    *,
    quick: bool = False,
    database_url: str | None = None,
    broker_url: str | None = None,
) -> dict[str, Any]:
    """The figures of a run with these options, on private servers where none are named.

    Raises:
        ClientError: the measurement failed.
    """
    command = [sys.executable, "-P", "-m", "api", "load", *(["--quick"] if quick else [])]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with contextlib.ExitStack() as on:
        folder = Path(on.enter_context(tempfile.TemporaryDirectory(prefix="netmorph-bench-")))
        folder.chmod(0o711)  # the servers have an account of their own
        environment = os.environ | {
            "NETMORPH_DATABASE_URL": database_url or _started(on, EmbeddedPostgres(folder)),
            "NETMORPH_BROKER_URL": broker_url or _started(on, EmbeddedValkey(folder)),
            "NETMORPH_STORAGE_URL": _STORAGE,
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason"]
        raise ClientError(f"the measurement failed: {last[0]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _started(stack: contextlib.ExitStack, server: EmbeddedPostgres | EmbeddedValkey) -> str:
    """The URL of a server that runs until the stack ends."""
    url = server.start()
    stack.callback(server.stop)
    return url


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
