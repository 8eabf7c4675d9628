"""The command that writes the report of a search."""

from pathlib import Path
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
from netmorph.commands.searches import request_of, resolve
from netmorph.errors import ClientError
from netmorph.report import plain_name
from netmorph.target import Target


@with_service
def report(
    service: Target,
    search: SearchArgument = "last",
    output: Annotated[
        Path | None, typer.Option("--to", "--output", "-o", help="The file. Default: NAME-ID.html.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a report of a search, with its plots, as one HTML file; it replaces an earlier one."""
    from netmorph import html_report  # noqa: PLC0415 (no other command needs Jinja)

    with connect(service) as client:
        item = resolve(client, search)
        dataset = html_report.dataset_rows(client.dataset(item["dataset"]["id"]))
        text = html_report.page(client, item, dataset, request_of(item))
    file = output or Path(f"{plain_name(item)}.html")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClientError(
            f"{file} cannot be written: {error.strerror}; give another file by --to"
        ) from None
    if as_json:
        print_json({"search_id": item["id"], "report": str(file.absolute())})
    else:
        console().print(f"report written to {file}", soft_wrap=True)
