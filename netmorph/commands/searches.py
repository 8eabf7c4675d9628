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
        console().print(tables.searches(items))


def show(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one search, its front where it has a cost, and how its winner came to be."""
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
        console().print(tables.trials(items))


def pause(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start no further trials; those running end."""
    with connect(url, key, data_dir) as client:
        _told(client.pause(resolve(client, search)["id"]), as_json=as_json)


def resume(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a paused search."""
    with connect(url, key, data_dir) as client:
        _told(client.resume(resolve(client, search)["id"]), as_json=as_json)


def stop(
    search: SearchArgument,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a search for good."""
    with connect(url, key, data_dir) as client:
        _told(client.stop(resolve(client, search)["id"]), as_json=as_json)


def export(
    search: SearchArgument,
    to: Annotated[Path | None, typer.Option(help="Folder; default: exports/NAME-ID.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the exported network of a completed search."""
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        folder = to or default_folder(item)
        exports.require_writable(folder)
        exports.download(client, item["id"], folder)
    if as_json:
        print_json({"search_id": item["id"], "export": str(folder.absolute())})
    else:
        console().print(f"exported to {folder}", soft_wrap=True, markup=False)


def resolve(client: Client, text: str) -> Search:
    """The search that a person means by an id, its beginning, a name, or `last`."""
    found = []
    for item in client.searches():
        if item["id"] == text or text == "last":
            return item
        if item["name"] == text or (len(text) >= 4 and item["id"].startswith(text)):
            found.append(item)
    if len(found) != 1:
        number = "no search" if not found else f"{len(found)} searches"
        raise ClientError(f"{number} found for {text!r}; `netmorph ls` lists their ids")
    return found[0]


def _told(search: Search, *, as_json: bool) -> None:
    if as_json:
        print_json(search)
    else:
        console().print(f"{search['name']} is {search['status']}", markup=False)
