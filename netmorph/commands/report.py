"""The command that writes the report of a search."""

from pathlib import Path
from typing import Annotated

import typer

from netmorph import html_report
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    SearchArgument,
    UrlOption,
    connect,
    console,
    print_json,
)
from netmorph.commands.searches import request_of, resolve
from netmorph.errors import ClientError
from netmorph.report import plain_name


def report(
    search: SearchArgument = "last",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file. Default: NAME-ID.html.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a report of a search, with its plots, as one HTML file; it replaces an earlier one."""
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        dataset = html_report.dataset_rows(client.dataset(item["dataset"]["id"]))
        text = html_report.page(client, item, dataset, request_of(item))
    file = output or Path(f"{plain_name(item)}.html")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClientError(
            f"{file} cannot be written: {error.strerror}; give another file by --output"
        ) from None
    if as_json:
        print_json({"search_id": item["id"], "report": str(file.absolute())})
    else:
        console().print(f"report written to {file}", soft_wrap=True)
