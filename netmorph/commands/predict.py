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
            help=".npy or .npz files, tables, pictures, folders of pictures; - is the "
            "standard input."
        ),
    ],
    array: Annotated[
        str | None, typer.Option(help="The name of the examples in an npz file.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="The order of the axes of arrays, such as NHWC.")
    ] = None,
    resize: Annotated[
        bool, typer.Option("--resize", help="Resize pictures of another size.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each example.")
    ] = False,
) -> None:
    """Print the class of each example. Needs no service, but torch."""
    given = {"--key": array, "--layout": layout}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    flags = [flag for flag, is_set in (("--resize", resize), ("--json", as_json)) if is_set]
    predictor.predict_files(folder, [*options, *flags, "--", *map(str, examples)])
