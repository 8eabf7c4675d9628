"""Options that say how the files of a data set are read, which several commands share."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from netmorph import uploads
from netmorph.errors import ClientError
from netmorph.uploads import Options


class Task(StrEnum):
    """What the labels of a data set are for."""

    CLASSIFICATION = "classification"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"

    @property
    def kind(self) -> str:
        """The name of the task type in the service."""
        return "image-classification" if self is Task.CLASSIFICATION else self.value


def _read_by(
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of a table, also of one beside images, that holds the labels; "
            "several, as in a,b,c, hold 0 and 1 for each label, or numbers. Default: the one "
            "named target, label, class or y.",
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of a table that holds texts, the only one to learn from.",
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of a table whose numbers are categories, such as codes; may be "
            "repeated.",
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of a table that is not learned from, such as an identifier; may be "
            "repeated.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Axes of the examples, if the file does not say it: NHW, NHWC or NCHW for images,"
            " NL, NLC or NCL for signals, NF for vectors."
        ),
    ] = None,
    image_side: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Largest side of images from files, in pixels. Default: 128; smaller images keep "
            "their size.",
        ),
    ] = None,
    task: Annotated[
        Task | None,
        typer.Option(
            help="Whether labels name classes, are several for each example (rows of 0 and 1), or "
            "are numbers to predict. Default: numbers if some have fractions or whole ones "
            "hardly repeat, several labels if rows of 0 and 1 have no single 1, else classes."
        ),
    ] = None,
    merge_labels: Annotated[
        bool,
        typer.Option(
            "--merge-labels",
            help="Make one label of those that differ only in capital letters or blanks, such as "
            "Yes and yes.",
        ),
    ] = False,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file or folder with the examples to validate on, of the same kind. Default: "
            "each search draws some of those for training.",
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file or folder with the examples to test on, of the same kind: a table with "
            "the same columns. Default: a fifth.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of a table, such as a patient or a machine: no group is in two splits. "
            "Of images by class, file-prefix: the text before the first _, - or space of a "
            "file's name.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of a table with dates or numbers: the latest rows are the test split, "
            "the latest of the others the validation split.",
        ),
    ] = None,
    split_seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**31 - 1,
            help="Seed of the test split, where it is set aside, and of the validation splits of a"
            " search. Default: always the same test split; the seed of the search.",
        ),
    ] = None,
) -> Options:
    """What these options say; raises ClientError for a file that does not exist."""
    for path in (validation, test):
        if path is not None and not path.exists():
            raise ClientError(f"there is no file or folder {uploads.shown(path)}")
    return Options(
        layout, image_side, target, text, tuple(category or ()), task=task and task.kind,
        leave_out=tuple(leave_out or ()), group=group, time=time, split_seed=split_seed,
        merge_labels=merge_labels, validation=validation, test=test,
    )  # fmt: skip


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of this module in place of its parameter `reading`."""
    own = inspect.signature(command).parameters
    options = inspect.signature(_read_by).parameters

    @wraps(command)
    def run(*service: Any, **given: Any) -> None:
        reading = _read_by(**{name: given.pop(name) for name in options if name in given})
        command(*service, **given, reading=reading)

    ordered = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.items()
        for one in (options.values() if name == "reading" else (parameter,))
    ]
    run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    return run
