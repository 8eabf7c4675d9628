"""The commands on data sets: dataset add, describe, ls, show and rm."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
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
from netmorph.errors import ClientError
from netmorph.target import Target
from netmorph.uploads import Options

datasets = typer.Typer(
    no_args_is_help=True, help="Describe, upload, list, show and delete data sets."
)

LayoutOption = Annotated[
    str | None,
    typer.Option(
        help="Axes of the examples, if the file does not say it: NHW, NHWC or NCHW for images, "
        "NL, NLC or NCL for signals, NF for vectors."
    ),
]
ImageSideOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Largest side of images from files, in pixels. "
                 "Default: 128; smaller images keep their size."),
]  # fmt: skip
TargetOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column of a table, also of one beside images, that holds the labels; several, as "
        "in a,b,c, hold 0 and 1 for each label, or numbers. Default: the one named target, label, "
        "class or y.",
    ),
]
TextOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column of a table that holds texts, the only one to learn from.",
    ),
]
CategoryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="A column of a table whose numbers are categories, such as codes; may be repeated.",
    ),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="A column of a table that is not learned from, such as an identifier; may be "
        "repeated.",
    ),
]


DatasetArgument = Annotated[
    str, typer.Argument(help="A data set: its name, its id, or the beginning of its id.")
]


class Task(StrEnum):
    """What the labels of a data set are for."""

    CLASSIFICATION = "classification"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"

    @property
    def kind(self) -> str:
        """The name of the task type in the service."""
        return "image-classification" if self is Task.CLASSIFICATION else self.value


TaskOption = Annotated[
    Task | None,
    typer.Option(
        help="Whether labels name classes, are several for each example (rows of 0 and 1), or are "
        "numbers to predict. Default: numbers if some have fractions or whole ones hardly repeat, "
        "several labels if rows of 0 and 1 have no single 1, else classes."
    ),
]


ValidationOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A file or folder with the examples to validate on, of the same kind. Default: each "
        "search draws some of those for training.",
    ),
]
TestOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A file or folder with the examples to test on, of the same kind: a table with the "
        "same columns. Default: a fifth.",
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="A column of a table, such as a patient or a machine: no group is in two splits. Of "
        "images by class, file-prefix: the text before the first _, - or space of a file's name.",
    ),
]
TimeOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="A column of a table with dates or numbers: the latest rows are the test split, the "
        "latest of the others the validation split.",
    ),
]
SplitSeedOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**31 - 1,
        help="Seed of the test split, where it is set aside, and of the validation splits of a "
        "search. Default: always the same test split; the seed of the search.",
    ),
]


MergeLabelsOption = Annotated[
    bool,
    typer.Option(
        "--merge-labels",
        help="Make one label of those that differ only in capital letters or blanks, such as Yes "
        "and yes.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """What the options of a command say about the splits."""

    validation: Path | None = None
    test: Path | None = None
    group: str | None = None
    time: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for path in (self.validation, self.test):
            if path is not None and not path.exists():
                raise ClientError(f"there is no file or folder {uploads.shown(path)}")


def options_of(
    layout: str | None,
    image_side: int | None,
    target: str | None,
    text: str | None,
    category: list[str] | None,
    task: Task | None,
    splits: Splits,
    *,
    leave_out: list[str] | None,
    merge_labels: bool,
) -> Options:
    """What the options of a command say about files."""
    return Options(
        layout, image_side, target, text, tuple(category or ()), task=task and task.kind,
        leave_out=tuple(leave_out or ()),
        group=splits.group, time=splits.time, split_seed=splits.seed,
        merge_labels=merge_labels, validation=splits.validation, test=splits.test,
    )  # fmt: skip


@datasets.command("add")
@with_service
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
    target: TargetOption = None,
    text: TextOption = None,
    category: CategoryOption = None,
    leave_out: LeaveOutOption = None,
    layout: LayoutOption = None,
    image_side: ImageSideOption = None,
    task: TaskOption = None,
    merge_labels: MergeLabelsOption = False,
    validation: ValidationOption = None,
    test: TestOption = None,
    group: GroupOption = None,
    time: TimeOption = None,
    split_seed: SplitSeedOption = None,
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
    splits = Splits(validation=validation, test=test, group=group, time=time, seed=split_seed)
    options = options_of(
        layout,
        image_side,
        target,
        text,
        category,
        task,
        splits,
        leave_out=leave_out,
        merge_labels=merge_labels,
    )
    with connect(service) as client:
        item = upload(client, path, options, messages(quiet=as_json), name)
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
def describe(
    service: Target,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A file, a folder, or a stored data set: its name, its id, or the beginning of "
            "its id."
        ),
    ],
    target: TargetOption = None,
    text: TextOption = None,
    category: CategoryOption = None,
    leave_out: LeaveOutOption = None,
    layout: LayoutOption = None,
    image_side: ImageSideOption = None,
    task: TaskOption = None,
    merge_labels: MergeLabelsOption = False,
    validation: ValidationOption = None,
    test: TestOption = None,
    group: GroupOption = None,
    time: TimeOption = None,
    split_seed: SplitSeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a data set is taken for and what may be wrong with it, before anything runs.

    A file or folder is read here; nothing is uploaded and no service is needed.
    """
    path = uploads.path_in(dataset)
    if path is not None:
        splits = Splits(validation=validation, test=test, group=group, time=time, seed=split_seed)
        options = options_of(
            layout,
            image_side,
            target,
            text,
            category,
            task,
            splits,
            leave_out=leave_out,
            merge_labels=merge_labels,
        )
        with steps.shown(messages(quiet=as_json)) as step:
            answer = uploads.describe(path, options, step.say)
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
