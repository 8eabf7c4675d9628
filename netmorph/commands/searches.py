"""The commands on searches: ls, show, trials, pause, resume, stop, export."""

from pathlib import Path
from typing import Annotated

import typer

from netmorph import export as exports
from netmorph import lineage, tables
from netmorph.answers import Search
from netmorph.client import Client
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
from netmorph.errors import ClientError
from netmorph.report import default_folder


def ls(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the searches, the newest first."""
    with connect(url, key, data_dir) as client:
        items = list(client.searches())
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.searches(items, out.width))


def show(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one search, the lineage of its winner and, with a cost, its Pareto front."""
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        number = lineage.winner(item)
        line = [] if number is None else lineage.ancestry(client.trials(item["id"]), number)
        front = client.front(item["id"]) if item.get("cost") else None
    words = lineage.in_words(line)
    if as_json:
        print_json({**item, "lineage": words, "front": front and front["items"]})
    else:
        console().print(tables.search(item, words, front))


def trials(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the trials of a search."""
    with connect(url, key, data_dir) as client:
        items = list(client.trials(resolve(client, search)["id"]))
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.trials(items, out.width))


def pause(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pause a search: running trials end, no further ones start."""
    with connect(url, key, data_dir) as client:
        _print_status(client.pause(resolve(client, search)["id"]), as_json=as_json)


def resume(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Continue a paused search."""
    with connect(url, key, data_dir) as client:
        _print_status(client.resume(resolve(client, search)["id"]), as_json=as_json)


def stop(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a search permanently."""
    with connect(url, key, data_dir) as client:
        _print_status(client.stop(resolve(client, search)["id"]), as_json=as_json)


def export(
    search: SearchArgument,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the network. Default: exports/NAME-ID.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download the exported network of a completed search."""
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        folder = to or default_folder(item)
        exports.require_writable(folder)
        exports.download(client, item["id"], folder)
    if as_json:
        print_json({"search_id": item["id"], "export": str(folder.absolute())})
    else:
        console().print(f"exported to {folder}", soft_wrap=True)


def resolve(client: Client, text: str) -> Search:
    """The search with this id or name, or whose id begins with `text`; the newest for `last`.

    Raises:
        ClientError: no search or several searches match.
    """
    found = []
    for item in client.searches():
        if item["id"] == text or text == "last":
            return item
        if item["name"] == text or (len(text) >= 4 and item["id"].startswith(text)):
            found.append(item)
    if len(found) != 1:
        number = "no search" if not found else f"{len(found)} searches"
        raise ClientError(
            f"{number} found for {text!r}; expected one: `netmorph ls` lists the names and ids"
        )
    return found[0]


def _print_status(search: Search, *, as_json: bool) -> None:
    if as_json:
        print_json(search)
    else:
        console().print(f"{search['name']} is {search['status']}", soft_wrap=True)
