"""The commands on a set-up: config, doctor."""

import os
from dataclasses import asdict
from importlib import metadata
from typing import Annotated

import typer

from netmorph import tables
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    console,
    print_json,
    target_of,
)
from netmorph.diagnosis import findings
from netmorph.errors import ClientError
from netmorph.target import Target


def config(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which service and folders the commands use. The key itself is not shown."""
    target = target_of(url, key, data_dir)
    facts = {
        "version": metadata.version("netmorph"),
        "data_directory": str(target.directory.path),
        "service": _service(target),
        "sign_in": target.sign_in_hint(),
        "environment": sorted(name for name in os.environ if name.startswith("NETMORPH_")),
    }
    if as_json:
        print_json(facts)
    else:
        console().print(tables.facts(facts))


def _service(target: Target) -> str | None:
    try:
        return target.running().url
    except ClientError:
        return target.url


def doctor(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port that `netmorph up` shall use.")
    ] = 8000,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check this set-up and say what to do about each problem. Exit code 1 if there is one."""
    found = list(findings(target_of(url, key, data_dir), port=port))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        out = console()
        out.print(tables.findings(found))
    raise typer.Exit(1 if any(one.state == "problem" for one in found) else 0)
