"""The options that say how the inputs of a network of the user's are prepared."""

from typing import Annotated

import typer

from netmorph.errors import ClientError
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


def preparation_of(scale: float | None, mean: str | None, std: str | None) -> Preparation | None:
    """How the network's inputs are prepared; None where no option says so."""
    if scale is None and mean is None and std is None:
        return None
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
