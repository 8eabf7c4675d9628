"""The commands on data sets: dataset add, describe, ls, show and rm."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netmorph import steps, tables, uploads
from netmorph.answers import Dataset
from netmorph.client import Client, newest_dataset
from netmorph.commands import matching
from netmorph.commands.options import (
    JsonOption,
    connect,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.commands.reading import with_reading
from netmorph.errors import ClientError
from netmorph.target import Target
from netmorph.uploads import Options

datasets = typer.Typer(
    no_args_is_help=True, help="Describe, upload, list, show and delete data sets."
)

DatasetArgument = Annotated[
    str, typer.Argument(help="A data set: its name, its id, or the beginning of its id.")
]


@datasets.command("add")
@with_service
@with_reading
def add(
    service: Target,
    path: Annotated[
        Path,
        typer.Argument(
            help="A table, an npz or zip file, or a folder by class of images or texts."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the data set. Default: that of the file.")
    ] = None,
    *,
    reading: Options,
    as_json: JsonOption = False,
) -> None:
    """Upload a data set and say how it was understood.

    For example: `netmorph dataset add customers.csv --target churned`.
    """
    if not path.exists():
        raise ClientError(
            f"there is no file or folder {uploads.shown(path)}; expected a table, an npz or zip "
            "file, or a folder of images or texts by class"
        )
    with connect(service) as client:
        item = upload(client, path, reading, messages(quiet=as_json), name)
    if as_json:
        print_json(item)
        return
    out = console()
    version = f" version {item['version']}" if item["version"] > 1 else ""
    out.print(f"{item['name']}{version} is data set {item['id']}", soft_wrap=True)
    for label, words in tables.headlines(item["description"]):
        out.print(f"{label:11}{words}", soft_wrap=True)


@datasets.command("describe")
@with_service
@with_reading
def describe(
    service: Target,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A file, a folder, or a stored data set: its name, its id, or the beginning of "
            "its id."
        ),
    ],
    *,
    reading: Options,
    as_json: JsonOption = False,
) -> None:
    """Say what a data set is taken for and what may be wrong with it, before anything runs.

    A file or folder is read here; nothing is uploaded and no service is needed.
    """
    path = uploads.path_in(dataset)
    if path is not None:
        with steps.shown(messages(quiet=as_json)) as step:
            answer = uploads.describe(path, reading, step.say)
    else:
        with connect(service) as client:
            item = resolve(client, dataset)
        answer = {"spec": item, "description": item["description"]}
    if as_json:
        print_json(answer)
        return
    _print_facts(tables.headlines(answer["description"], columns=True))


def _print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print a line for each fact, its label first."""
    out = console()
    for label, words in facts:
        out.print(f"{label:11}{words}", soft_wrap=True)


@datasets.command("show")
@with_service
def show(
    service: Target,
    dataset: DatasetArgument,
    as_json: JsonOption = False,
) -> None:
    """Show a stored data set and how it was understood; of a name, the last version."""
    with connect(service) as client:
        item = resolve(client, dataset)
    if as_json:
        print_json(item)
        return
    facts = [
        ("id", item["id"]),
        ("name", item["name"]),
        ("version", str(item["version"])),
        ("uploaded", tables.minute(item["uploaded_at"])),
        ("stored", f"{item['bytes']:,} bytes"),
    ]
    _print_facts([*facts, *tables.headlines(item["description"], columns=True)])


@datasets.command("rm")
@with_service
def rm(
    service: Target,
    dataset: DatasetArgument,
    as_json: JsonOption = False,
) -> None:
    """Delete a data set that no search uses; of a name, the version that was uploaded last."""
    with connect(service) as client:
        item = resolve(client, dataset)
        client.delete_dataset(item["id"])
    if as_json:
        print_json(item)
    else:
        text = f"deleted {item['name']} version {item['version']} ({item['id']})"
        console().print(text, soft_wrap=True)


@datasets.command("ls")
@with_service
def ls(
    service: Target,
    as_json: JsonOption = False,
) -> None:
    """List the data sets."""
    with connect(service) as client:
        items = list(client.datasets())
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.datasets(items, out.width))


def upload(
    client: Client, path: Path, options: Options, out: Console, name: str | None = None
) -> Dataset:
    """Upload a file or folder, and show on the console how far that is.

    Raises ClientError where it is too large, before it is sent.
    """
    most = client.intake()["max_upload_bytes"]
    with (
        steps.shown(out) as step,
        uploads.packed(path, options.validation, options.test, step.say) as file,
    ):
        uploads.check_size(file, most)
        step.say(f"sending {file.stat().st_size / 2**20:,.1f} MiB")
        label = name or uploads.label_of(path)
        return client.add_dataset(file, label, options.fields(), step.say)


def resolve(client: Client, text: str) -> Dataset:
    """The data set with this id, the last one of this name, or whose id begins with `text`.

    Raises:
        ClientError: no data set matches, or the ids of several begin so.
    """
    items = list(client.datasets())
    if (found := newest_dataset(items, text)) is not None:
        return found
    begun = [item for item in items if matching.begins(item, text)]
    advice = "expected one: `netmorph dataset ls` lists the names and ids"
    return matching.only(begun, text, "data set", advice)
