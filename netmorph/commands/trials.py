"""The commands on one trial: trial stop."""

from typing import Annotated

import typer

from netmorph.commands.options import (
    JsonOption,
    SearchArgument,
    connect,
    console,
    print_json,
    with_service,
)
from netmorph.commands.searches import resolve
from netmorph.target import Target

trial = typer.Typer(no_args_is_help=True, help="Change one trial.")


@trial.callback()
def group() -> None:
    """Keep `stop` a command of its own, although there is no other."""


@trial.command("stop")
@with_service
def stop(
    service: Target,
    search: SearchArgument,
    number: Annotated[int, typer.Argument(min=0, help="The number of the trial.")],
    as_json: JsonOption = False,
) -> None:
    """Stop one trial; a running one ends at its next report. Its search goes on."""
    with connect(service) as client:
        item = client.stop_trial(client.trial(resolve(client, search)["id"], number)["id"])
    if as_json:
        print_json(item)
        return
    ends = "is stopped" if item["status"] == "stopped" else "ends at its next report"
    console().print(f"trial {number} {ends}", soft_wrap=True)
