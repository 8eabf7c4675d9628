"""A network of the user's: the options that say how its inputs are prepared, and its files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netmorph.errors import ClientError

if TYPE_CHECKING:
    from netmorph.importing.files import ImportedNetwork
    from netmorph.importing.preparation import Preparation

ScaleOption = Annotated[
    float | None,
    typer.Option(
        "--root-scale",
        help="The network in the ONNX file or .pt2 archive takes (x / SCALE - MEAN) / STD. "
        "Default: x as the data set has it.",
    ),
]
MeanOption = Annotated[
    str | None,
    typer.Option("--root-mean", help="MEAN: a number, or one for each channel: 0.49,0.48,0.45."),
]
StdOption = Annotated[
    str | None, typer.Option("--root-std", help="STD: a number, or one for each channel.")
]


def read_network(path: Path, preparation: "Preparation | None" = None) -> "ImportedNetwork":
    """The network of a file or folder; see `netmorph.importing.files.read`."""
    # Not above, as below: most commands read no network, and need no numpy.
    from netmorph.importing.files import read  # noqa: PLC0415

    return read(path, preparation)


def preparation_of(scale: float | None, mean: str | None, std: str | None) -> "Preparation | None":
    """How the network's inputs are prepared; None where no option says so."""
    if scale is None and mean is None and std is None:
        return None
    from netmorph.importing.preparation import Preparation  # noqa: PLC0415

    return Preparation(
        scale=1.0 if scale is None else scale,
        mean=_numbers("--root-mean", mean or "0"),
        std=_numbers("--root-std", std or "1"),
    )


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ClientError(
            f"{option} is {text!r}; expected numbers separated by commas, such as 0.49,0.48,0.45"
        ) from None
