"""The commands on searches: ls, show, watch, trials, pause, resume, stop, clone, rm, export."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from netmorph import export as exports
from netmorph import lineage, progress, tables
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
    messages,
    print_json,
)
from netmorph.errors import ClientError
from netmorph.report import default_folder, print_summary, summary

#: Fields of a search that a request for it has, too.
_REQUEST = (
    "task",
    "strategy",
    "strategy_options",
    "cost",
    "budget",
    "parallelism",
    "seed",
    "training",
    "bounds",
)


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
    search: SearchArgument = "last",
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
    words = lineage.in_words(line, item.get("in_percent", True))
    if as_json:
        print_json({**item, "lineage": words, "front": front and front["items"]})
    else:
        console().print(tables.search(item, words, front))


def watch(
    search: SearchArgument = "last",
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a search until it ends or is paused. Ctrl-C ends the watching, not the search.

    With --json, each change is one line: the search as it is then.
    """
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        if as_json:
            ended = item
            for ended in progress.changes(client, item):
                print_json(ended)
        else:
            ended = progress.follow(client, item, messages())
            print_summary(summary(client, ended, None), console())
    raise typer.Exit(1 if ended["status"] == "failed" else 0)


def trials(
    search: SearchArgument = "last",
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the trials of a search."""
    with connect(url, key, data_dir) as client:
        item = resolve(client, search)
        items = list(client.trials(item["id"]))
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.trials(items, out.width, item.get("in_percent", True)))


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


def clone(
    search: SearchArgument,
    name: Annotated[str | None, typer.Option(help="Name of the new search.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Another seed. Default: that of the search."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Another budget: number of trials.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.2, help="Another budget: minutes, final fit included.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Request the same search again, if wanted with another seed or budget."""
    with connect(url, key, data_dir) as client:
        body = request_of(resolve(client, search))
        if trials is not None or minutes is not None:
            seconds = None if minutes is None else 60 * minutes
            body["budget"] = {"trials": trials, "seconds": seconds}
        body |= {} if seed is None else {"seed": seed}
        created = client.create_search(body | ({} if name is None else {"name": name}))
    if as_json:
        print_json(created)
    else:
        console().print(f"{created['name']} is search {created['id']}", soft_wrap=True)
        messages().print(f"to follow it: netmorph watch {created['id'][:8]}", soft_wrap=True)


def request_of(search: Search) -> dict[str, Any]:
    """The body of `POST /v1/searches` that requests the same search again, without its name."""
    return {name: search[name] for name in _REQUEST if name in search} | {  # type: ignore[literal-required]
        "dataset": search["dataset"]["id"]
    }


def rm(
    searches: Annotated[
        list[str], typer.Argument(help="Searches: ids, beginnings of ids, names, or `last`.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete searches with their trials and models. Exported folders stay."""
    with connect(url, key, data_dir) as client:
        items = [resolve(client, text) for text in searches]
        if not yes:
            _confirm(items)
        for item in items:
            client.delete(item["id"])
    if as_json:
        print_json({"deleted": [item["id"] for item in items]})
    else:
        for item in items:
            console().print(f"deleted {item['name']} ({item['id']})", soft_wrap=True)


def _confirm(items: list[Search]) -> None:
    """Ask whether to delete these searches; raise ClientError where nobody can answer."""
    names = ", ".join(f"{item['name']} ({item['status']})" for item in items)
    if not sys.stdin.isatty():
        raise ClientError(f"to delete {names} without a question, add --yes")
    typer.confirm(f"Delete {names}, with all trials and models?", abort=True, err=True)


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
