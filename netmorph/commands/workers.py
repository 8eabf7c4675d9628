"""The commands on workers: worker ls, worker drain."""

from collections.abc import Iterable
from typing import Annotated

import typer

from netmorph import tables
from netmorph.answers import Worker
from netmorph.commands import matching
from netmorph.commands.options import (
    JsonOption,
    connect,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.target import Target

workers = typer.Typer(no_args_is_help=True, help="List and drain workers.")


@workers.command("ls")
@with_service
def ls(
    service: Target,
    as_json: JsonOption = False,
) -> None:
    """List the workers of the last day and the trial that each trains."""
    with connect(service) as client:
        items = client.workers()
    if as_json:
        print_json(items)
        return
    out = console()
    out.print(tables.workers(items, out.width))
    if not items:
        messages().print("no worker: `netmorph up --workers 1` starts one")


@workers.command("drain")
@with_service
def drain(
    service: Target,
    worker: Annotated[
        str, typer.Argument(help="A worker: its name, its id, or the beginning of its id.")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Give it trials again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a worker no more trials; the one that it trains ends as usual. Needs an admin's key."""
    with connect(service) as client:
        item = client.drain_worker(resolve(client.workers(), worker)["id"], undo=undo)
    if as_json:
        print_json(item)
        return
    trains = "" if item["trial_id"] is None else f"; it still trains trial {item['trial_id']}"
    what = "gets trials again" if undo else f"gets no more trials{trains}"
    console().print(f"{item['name']} {what}", soft_wrap=True)


def resolve(items: Iterable[Worker], text: str) -> Worker:
    """The one worker with this name or id, or whose id begins with `text`.

    Raises:
        ClientError: no worker or several workers match.
    """
    advice = "expected one: `netmorph worker ls --json` lists the names and ids"
    return matching.named(items, text, "worker", advice)
