"""The command export: the network of a search, of one of its trials, or of its whole front."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from netmorph import export as exports
from netmorph import predictor
from netmorph.answers import Search, TrialExport
from netmorph.client import Client, require_exported
from netmorph.commands.options import (
    JsonOption,
    SearchArgument,
    connect,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.commands.searches import resolve
from netmorph.errors import ClientError, RefusedRequest, in_words
from netmorph.formatting import metric
from netmorph.report import default_folder
from netmorph.target import Target


@with_service
def export(
    service: Target,
    search: SearchArgument,
    trial: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Export the trial with this number, as the search has trained it, in place of the "
            "winner. A worker makes the export; the command waits for it.",
        ),
    ] = None,
    front: Annotated[
        bool,
        typer.Option(
            "--front", help="Export each trial of the Pareto front, into folders trial-NUMBER."
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the network. Default: exports/NAME-ID, for a trial with -trial-NUMBER "
            "and for a front with -front at its end."
        ),
    ] = None,
    torch_program: Annotated[
        bool,
        typer.Option(
            "--torch-program",
            help="Also write the network as model.pt2, which torch.export.load reads. Takes some "
            "seconds and needs torch.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download the exported network of a completed search, or export trials of any search.

    For example: `netmorph export last --to pets`, or `netmorph export last --trial 7`.
    """
    if front and trial is not None:
        raise typer.BadParameter("expected --trial or --front, found both")
    if torch_program:
        predictor.require_torch()
    with connect(service) as client:
        item = resolve(client, search)
        if front:
            made = _export_front(client, item, to, torch_program=torch_program, as_json=as_json)
        elif trial is None:
            made = _export_winner(client, item, to, torch_program=torch_program, as_json=as_json)
        else:
            made = _export_trial(
                client, item, trial, to, torch_program=torch_program, as_json=as_json
            )
    if as_json:
        print_json({"search_id": item["id"], **made})
    if made.get("failed"):
        raise typer.Exit(1)


def _export_winner(
    client: Client, item: Search, to: Path | None, *, torch_program: bool, as_json: bool
) -> dict[str, Any]:
    folder = to or default_folder(item)
    exports.require_writable(folder)
    exports.download(client, item["id"], folder)
    made = {"export": str(folder.absolute())}
    return _finished(made, folder, "", torch_program=torch_program, as_json=as_json)


def _export_trial(
    client: Client, item: Search, number: int, to: Path | None, **options: bool
) -> dict[str, Any]:
    base = default_folder(item)
    folder = to or base.with_name(f"{base.name}-trial-{number}")
    exports.require_writable(folder)
    ordered = client.order_export(client.trial(item["id"], number)["id"])
    return _written(client, item, ordered, folder, **options)


def _export_front(client: Client, item: Search, to: Path | None, **options: bool) -> dict[str, Any]:
    """The exports of a front; where one fails, the others are written all the same."""
    base = default_folder(item)
    parent = to or base.with_name(f"{base.name}-front")
    points = client.front(item["id"])["items"]
    if not points:
        raise ClientError("the search has no front yet: no trial of it has a value")
    folders = {point["trial_id"]: parent / f"trial-{point['number']}" for point in points}
    for folder in folders.values():
        exports.require_writable(folder)
    made, failed = [], []
    for trial_id, ordered in _ordered(client, folders).items():
        folder = folders[trial_id]
        try:
            if isinstance(ordered, ClientError):
                raise ordered
            made.append(_written(client, item, ordered, folder, **options))
        except ClientError as error:
            failed.append({"export": str(folder.absolute()), "error": in_words(error)})
            messages().print(in_words(error), soft_wrap=True)
    return {"exports": made, "failed": failed}


def _ordered(client: Client, trials: Iterable[str]) -> dict[str, TrialExport | ClientError]:
    """Order exports, so that workers make them at the same time; or why one is refused."""
    found: dict[str, TrialExport | ClientError] = {}
    for trial_id in trials:
        try:
            found[trial_id] = client.order_export(trial_id)
        except RefusedRequest as error:
            found[trial_id] = error
    return found


def _written(
    client: Client,
    item: Search,
    ordered: TrialExport,
    folder: Path,
    *,
    torch_program: bool,
    as_json: bool,
) -> dict[str, Any]:
    """The export of a trial, once it is made and written to the folder."""
    ended = require_exported(_followed(client, ordered))
    exports.download_trial(client, ended["trial_id"], folder)
    made = {
        "trial": ended["number"],
        "export": str(folder.absolute()),
        "test_metric": ended["test_metric"],
    }
    tested = metric(ended["test_metric"], item.get("in_percent", True))
    words = f"trial {ended['number']} with a test {item['metric']} of {tested} "
    return _finished(made, folder, words, torch_program=torch_program, as_json=as_json)


def _followed(client: Client, ordered: TrialExport) -> TrialExport:
    """The export of a trial once it has ended, with a line for each state before."""
    last = ""
    for state in client.changes_of_export(ordered):
        ordered = state
        because = f": {state['reason']}" if state["reason"] else ""
        line = f"trial {state['number']}: its export is {state['status']}{because}"
        if line != last and not state["ended_at"]:
            messages().print(line, soft_wrap=True)
        last = line
    return ordered


def _finished(
    made: dict[str, Any], folder: Path, words: str, *, torch_program: bool, as_json: bool
) -> dict[str, Any]:
    """Say what was written, after the program of torch, if that is wanted."""
    written = predictor.write_torch_program(folder) if torch_program else None
    if not as_json:
        console().print(f"{words}exported to {folder}", soft_wrap=True)
        if written is not None:
            console().print(f"wrote and checked {written}", soft_wrap=True)
    return made if written is None else {**made, "torch_program": str(written.absolute())}
