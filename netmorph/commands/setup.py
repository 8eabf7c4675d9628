"""The commands on a set-up: config, doctor."""

import os
from dataclasses import asdict
from importlib import metadata
from typing import Annotated

import typer

from netmorph import tables
from netmorph.commands.options import (
    JsonOption,
    console,
    print_json,
    with_service,
)
from netmorph.diagnosis import findings
from netmorph.errors import ClientError
from netmorph.target import Target


@with_service
def config(
    service: Target,
    as_json: JsonOption = False,
) -> None:
    """Show which service and folders the commands use. The key itself is not shown."""
    facts = {
        "version": metadata.version("netmorph"),
        "data_directory": str(service.directory.path),
        "service": _address(service),
        "sign_in": service.sign_in_hint(),
        "environment": sorted(name for name in os.environ if name.startswith("NETMORPH_")),
    }
    if as_json:
        print_json(facts)
    else:
        console().print(tables.facts(facts))


def _address(service: Target) -> str | None:
    try:
        return service.running().url
    except ClientError:
        return service.url


@with_service
def doctor(
    service: Target,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port that `netmorph up` is to use.")
    ] = 8000,
    as_json: JsonOption = False,
) -> None:
    """Check this set-up and say what to do about each problem. Exit code 1 if there is one."""
    found = list(findings(service, port=port))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        out = console()
        out.print(tables.findings(found))
    raise typer.Exit(1 if any(one.state == "problem" for one in found) else 0)
