"""`netmorph predict`: the predictions of an exported network for files of examples."""

from pathlib import Path
from typing import Annotated

import typer

from netmorph import predictor


def predict(
    folder: Annotated[Path, typer.Argument(help="The folder of an export.")],
    examples: Annotated[
        list[Path],
        typer.Argument(
            help="Files like those of the training: arrays (.npy, .npz), pictures or folders of "
            "them, tables, texts; - is the standard input."
        ),
    ],
    array: Annotated[
        str | None,
        typer.Option(
            help="Name of the examples in an npz file. Default: the array of examples, by its name."
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Axes of arrays, such as NHWC. Default: those of the training data."),
    ] = None,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize", help="Resize pictures of another size; without it they are refused."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each example.")
    ] = False,
) -> None:
    """Print the class, the labels or the numbers of each example. Needs no service, but torch.

    For example: `netmorph predict exports/pets-1a2b3c4d new_images/`.
    """
    given = {"--key": array, "--layout": layout}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    flags = [flag for flag, is_set in (("--resize", resize), ("--json", as_json)) if is_set]
    predictor.predict_files(folder, [*options, *flags, "--", *map(str, examples)])
