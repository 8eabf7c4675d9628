"""`netmorph lineage`: how a network of a search came about."""

from typing import Annotated

import typer

from netmorph import lineage as lineages
from netmorph.commands.options import (
    JsonOption,
    SearchArgument,
    connect,
    console,
    print_json,
    with_service,
)
from netmorph.commands.searches import resolve
from netmorph.errors import ClientError
from netmorph.target import Target


@with_service
def lineage(
    service: Target,
    search: SearchArgument = "last",
    trial: Annotated[
        int | None,
        typer.Option(min=0, help="The trial with this number. Default: the winner, or the best."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print how a trial descends from its first ancestor, in words; as JSON, those trials."""
    with connect(service) as client:
        item = resolve(client, search)
        number = (
            lineages.winner(item) if trial is None else client.trial(item["id"], trial)["number"]
        )
        if number is None:
            raise ClientError(
                f"no trial of {item['name']} has a value yet: ask again later, or give --trial"
            )
        line = lineages.ancestry(client.trials(item["id"]), number)
    if as_json:
        print_json(line)
        return
    for sentence in lineages.in_words(line, item):
        console().print(sentence, soft_wrap=True)
