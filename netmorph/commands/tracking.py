"""`netmorph track`: the trials of a search in TensorBoard and MLflow."""

import os
from pathlib import Path
from typing import Annotated

import typer

from netmorph.commands.options import (
    JsonOption,
    SearchArgument,
    connect,
    console,
    print_json,
    with_service,
)
from netmorph.commands.searches import resolve
from netmorph.target import Target
from netmorph.tracking import to_mlflow, to_tensorboard


@with_service
def track(
    service: Target,
    search: SearchArgument = "last",
    tensorboard: Annotated[
        Path | None,
        typer.Option(help="Write a run of TensorBoard for each trial into this folder."),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Write a run for each trial to MLflow: http://host:5000 or sqlite:///mlflow.db.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the trials of a search, with their learning curves, for TensorBoard or MLflow.

    Called again, also while the search runs, it adds what is new.
    """
    if tensorboard is None and mlflow is None:
        raise typer.BadParameter(
            "nothing to write to: give --tensorboard FOLDER, --mlflow URI, or both"
        )
    written = {}
    with connect(service) as client:
        item = resolve(client, search)
        if tensorboard is not None:
            written["tensorboard"] = to_tensorboard(client, item["id"], tensorboard)
        if mlflow is not None:
            _adapt_mlflow()
            written["mlflow"] = to_mlflow(client, item["id"], mlflow)
    if as_json:
        counts = {
            name: {"trials": one.trials, "points": one.points} for name, one in written.items()
        }
        print_json({"search_id": item["id"], **counts})
        return
    for name, one in written.items():
        console().print(f"{name}: {one.trials} trials, {one.points} new numbers", soft_wrap=True)


def _adapt_mlflow() -> None:
    """Let MLflow behave like a command of ours, where its own variables do not say otherwise."""
    # Its seven tries take four minutes: that an address is wrong would be said too late.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    # It prints the address of each run on the standard output, which is for results.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
