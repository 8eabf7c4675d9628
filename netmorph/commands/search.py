"""`netmorph search`: from a data set to an exported network, with one command."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from netmorph import export
from netmorph.answers import Search
from netmorph.client import Client
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    console,
    print_json,
    target_of,
)
from netmorph.commands.up import WorkersOption
from netmorph.errors import ClientError, Problem
from netmorph.launcher import Running
from netmorph.progress import follow
from netmorph.report import default_folder, print_summary, summary

_DEFAULT_TRIALS = 12


class Cost(StrEnum):
    """What may be held against the metric."""

    PARAMETERS = "parameters"
    FLOPS = "flops"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the command line asked for."""

    dataset: str
    upload: Path | None  # the file that `dataset` names, if it does
    body: dict[str, Any]
    folder: Path | None


def search(
    dataset: Annotated[
        str, typer.Option(help="A built-in (digits, fashion-mnist), an id, or an npz file.")
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Trials to spend.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.2, help="Minutes to spend.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    strategy: Annotated[str, typer.Option(help="How to search.")] = "bayesian",
    cost: Annotated[
        Cost | None, typer.Option(help="What is to be small as well: gives a front of networks.")
    ] = None,
    max_parameters: Annotated[int | None, typer.Option(min=100, help="Largest network.")] = None,
    max_flops: Annotated[
        int | None, typer.Option(min=1000, help="Most operations for one example.")
    ] = None,
    max_latency: Annotated[
        float | None, typer.Option(min=0.001, help="Most milliseconds for one example, expected.")
    ] = None,
    parallelism: Annotated[
        int | None, typer.Option(min=1, help="Trials in flight; default: the workers.")
    ] = None,
    ensemble: Annotated[
        int, typer.Option(min=1, max=8, help="Networks in the export: the mean of the best.")
    ] = 1,
    workers: WorkersOption = 1,
    export_to: Annotated[
        Path | None, typer.Option("--export", help="Folder for the exported network.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the search.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search, train and export a network; starts the local service where none runs."""
    budget = {"trials": trials, "seconds": None if minutes is None else 60 * minutes}
    if trials is None and minutes is None:
        budget["trials"] = _DEFAULT_TRIALS
    bounds = {
        "parameters": max_parameters,
        "flops": max_flops,
        "latency": None if max_latency is None else max_latency / 1000,
    }
    body = {
        "cost": cost and cost.value,
        "bounds": _given(bounds) or None,
        "budget": _given(budget),
        "training": {"ensemble": ensemble} if ensemble > 1 else None,
        "strategy": strategy,
        "seed": seed,
        "parallelism": parallelism or max(1, workers),
        "name": name,
    }
    wish = _Wish(dataset=dataset, upload=_file_of(dataset), body=_given(body), folder=export_to)
    if export_to is not None:
        export.require_writable(export_to)
    target = target_of(url, key, data_dir)
    with _terminated_is_interrupted(), target.on_demand(workers=workers) as running:
        code = _run(running, wish, as_json=as_json)
    raise typer.Exit(code)


def _run(running: Running, wish: _Wish, *, as_json: bool) -> int:
    """Create the search, follow it to its end and fetch the export; the exit code."""
    out = Console(stderr=True, quiet=True) if as_json else console()
    with Client(running.url, running.key) as client:
        created = client.create_search(wish.body | {"dataset": _dataset(client, wish)})
        for label, text in _headlines(running, created):
            out.print(f"{label:11}{text}", soft_wrap=True)
        try:
            ended = follow(client, created, out)
            folder = _fetch(client, ended, wish.folder)
        except KeyboardInterrupt:
            return _interrupted(running, created, out, as_json=as_json)
        result = summary(client, ended, folder)
    if as_json:
        print_json(result)
    else:
        print_summary(result, out)
    return 0 if ended["status"] == "completed" else 1


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _headlines(running: Running, created: Search) -> list[tuple[str, str]]:
    return [
        ("search", f"{created['name']} ({created['id']})"),
        ("dashboard", f"{running.url}/searches/{created['id']}"),
        ("key", running.key),
    ]


def _file_of(dataset: str) -> Path | None:
    """The file that `--dataset` names, if it looks like one."""
    if not dataset.endswith(".npz") and "/" not in dataset:
        return None
    path = Path(dataset)
    if not path.is_file():
        raise ClientError(f"there is no file {dataset}")
    return path


def _dataset(client: Client, wish: _Wish) -> str:
    """What to call the data set in the request; a file is uploaded first."""
    if wish.upload is None:
        return wish.dataset
    return client.add_dataset(wish.upload, wish.upload.stem)["id"]


def _fetch(client: Client, ended: Search, wished: Path | None) -> Path | None:
    """Put the exported network into a folder, where there is one to export."""
    if ended["final"] is None or ended["final"]["export_bytes"] is None:
        return None
    folder = wished or default_folder(ended)
    export.download(client, ended["id"], folder)
    return folder.absolute()


def _interrupted(running: Running, created: Search, out: Console, *, as_json: bool) -> int:
    """Pause the search, so that nothing is lost and nothing goes on unseen; say so."""
    with Client(running.url, running.key) as client:  # the old one broke off in mid-sentence
        try:
            left = client.pause(created["id"])
        except Problem:  # it cannot be paused any more
            left = client.search(created["id"])
    if as_json:
        print_json({"search_id": left["id"], "status": left["status"]})
    elif left["status"] == "paused":
        out.print(f"paused; with the service up: netmorph resume {left['id']}", soft_wrap=True)
    else:
        out.print(f"the search is {left['status']}: netmorph show {left['id']}", soft_wrap=True)
    return 130


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
