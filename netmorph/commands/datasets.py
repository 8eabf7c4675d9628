"""The commands on data sets: dataset add, dataset describe, dataset ls, dataset rm."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netmorph import tables, uploads
from netmorph.answers import Dataset
from netmorph.client import Client
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    connect,
    console,
    print_json,
)
from netmorph.errors import ClientError
from netmorph.uploads import Options

datasets = typer.Typer(no_args_is_help=True, help="Describe, upload, list and delete data sets.")

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
        help="The column of a table (CSV, TSV, Parquet) that holds the labels. Default: the one "
        "named target, label, class or y.",
    ),
]
CategoryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="A column of a table whose numbers are categories, such as codes; may be repeated.",
    ),
]


class Task(StrEnum):
    """What the labels of a data set are for."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"

    @property
    def kind(self) -> str:
        """The name of the task type in the service."""
        return "image-classification" if self is Task.CLASSIFICATION else self.value


TaskOption = Annotated[
    Task | None,
    typer.Option(
        help="Whether labels name classes or are numbers to predict. Default: numbers if some "
        "have fractions, else classes."
    ),
]


def options_of(
    layout: str | None,
    image_side: int | None,
    target: str | None,
    category: list[str] | None,
    task: Task | None,
) -> Options:
    """What the options of a command say about files."""
    return Options(layout, image_side, target, tuple(category or ()), task and task.kind)


@datasets.command("add")
def add(
    path: Annotated[
        Path,
        typer.Argument(help="A table, an npz or zip file, or a folder of images by class."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the data set. Default: that of the file.")
    ] = None,
    target: TargetOption = None,
    category: CategoryOption = None,
    layout: LayoutOption = None,
    image_side: ImageSideOption = None,
    task: TaskOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a data set and say how it was understood."""
    if not path.exists():
        raise ClientError(
            f"there is no file or folder {uploads.shown(path)}; expected a table, an npz or zip "
            "file, or a folder of images by class"
        )
    with connect(url, key, data_dir) as client:
        item = upload(client, path, options_of(layout, image_side, target, category, task), name)
    if as_json:
        print_json(item)
        return
    out = console()
    version = f" version {item['version']}" if item["version"] > 1 else ""
    out.print(f"{item['name']}{version} is data set {item['id']}", soft_wrap=True)
    for label, text in tables.headlines(item["description"]):
        out.print(f"{label:11}{text}", soft_wrap=True)


@datasets.command("describe")
def describe(
    dataset: Annotated[
        str, typer.Argument(help="A file, a folder, or the name or id of a stored data set.")
    ],
    target: TargetOption = None,
    category: CategoryOption = None,
    layout: LayoutOption = None,
    image_side: ImageSideOption = None,
    task: TaskOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a data set is taken for and what may be wrong with it, before anything runs.

    A file or folder is read here; nothing is uploaded and no service is needed.
    """
    path = uploads.path_in(dataset)
    if path is not None:
        answer = uploads.describe(path, options_of(layout, image_side, target, category, task))
    else:
        with connect(url, key, data_dir) as client:
            item = client.dataset(dataset)
        answer = {"spec": item, "description": item["description"]}
    if as_json:
        print_json(answer)
        return
    out = console()
    for label, text in tables.headlines(answer["description"], columns=True):
        out.print(f"{label:11}{text}", soft_wrap=True)


@datasets.command("rm")
def rm(
    dataset: Annotated[str, typer.Argument(help="The id of a data set, or its name.")],
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a data set that no search uses; of a name, the version that was uploaded last."""
    with connect(url, key, data_dir) as client:
        item = client.dataset(dataset)
        client.delete_dataset(item["id"])
    if as_json:
        print_json(item)
    else:
        text = f"deleted {item['name']} version {item['version']} ({item['id']})"
        console().print(text, soft_wrap=True)


@datasets.command("ls")
def ls(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets."""
    with connect(url, key, data_dir) as client:
        items = list(client.datasets())
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.datasets(items, out.width))


def upload(client: Client, path: Path, options: Options, name: str | None = None) -> Dataset:
    """Upload a file or folder; raises ClientError where it is too large, before it is sent."""
    most = client.intake()["max_upload_bytes"]
    with uploads.packed(path) as file:
        uploads.check_size(file, most)
        return client.add_dataset(file, name or uploads.label_of(path), options.fields())
