"""The commands on workers: worker ls, worker show, worker drain."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import typer

from netmorph import worker_tables
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

workers = typer.Typer(no_args_is_help=True, help="List, show and drain workers.")

WorkerArgument = Annotated[
    str, typer.Argument(help="A worker: its name, its id, or the beginning of its id.")
]


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
    out.print(worker_tables.workers(items, out.width))
    if not items:
        messages().print("no worker: `netmorph up --workers 1` starts one")


@workers.command("show")
@with_service
def show(
    service: Target,
    worker: WorkerArgument,
    trials: Annotated[
        int, typer.Option("--trials", min=0, max=10_000, help="Most trials that are listed.")
    ] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show a worker: its speed, its failures of the last day, and the trials that it trained.

    Those trials that you may read, of the last week.
    """
    with connect(service) as client:
        item = client.worker(resolve(client.workers(), worker)["id"])
        ended = list(islice(client.worker_trials(item["id"]), trials))
    if as_json:
        print_json({**item, "trials": ended})
        return
    out = console()
    out.print(worker_tables.worker(item))
    if item["last_day"]["problems"]:
        out.print("\nProblems of the last day, the latest first")
        out.print(worker_tables.problems(item["last_day"]["problems"], out.width))
    if ended:
        out.print("\nTrials, the latest first")
        out.print(worker_tables.trials(ended, out.width))


@workers.command("drain")
@with_service
def drain(
    service: Target,
    worker: WorkerArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Give it trials again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a worker no more trials; the one that it trains ends as usual. Needs an admin's key.

    For example, before its machine is taken away: `netmorph worker drain box-1`.
    """
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
