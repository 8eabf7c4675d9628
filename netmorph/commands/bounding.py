"""The options that bound a search: the largest networks, their changes and their layers."""

from typing import Annotated, Any

import typer

MaxParametersOption = Annotated[
    int | None,
    typer.Option(min=100, max=2_000_000_000, help="Upper bound for the parameters of a network."),
]
MaxFlopsOption = Annotated[
    int | None, typer.Option(min=1000, help="Upper bound for the operations for one example.")
]
MaxLatencyOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=60_000,
        help="Upper bound for the milliseconds for one example, as predicted.",
    ),
]
MorphismsOption = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="Change networks in these ways alone, such as widen,deepen,add_skip. Default: all.",
    ),
]
WithoutLayersOption = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="No network has layers of these kinds, such as silu,gelu,batch_norm. "
        "Default: any may be used.",
    ),
]


def bounds_of(
    *,
    parameters: int | None,
    flops: int | None,
    latency: float | None,
    morphisms: str | None,
    without_layers: str | None,
) -> dict[str, Any] | None:
    """The bounds as the service takes them, `latency` given in ms; None where none is given."""
    bounds = {
        "parameters": parameters,
        "flops": flops,
        "latency": None if latency is None else latency / 1000,
        "morphisms": _names(morphisms),
        "without_layers": _names(without_layers),
    }
    return {name: value for name, value in bounds.items() if value is not None} or None


def _names(text: str | None) -> list[str] | None:
    """The names of a list that is separated by commas."""
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]
