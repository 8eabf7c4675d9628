"""`netmorph search`: from a data set to an exported network, with one command."""

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from netmorph import export, tables, uploads
from netmorph.answers import Dataset, Preview, Search
from netmorph.client import Client, newest_dataset
from netmorph.commands.bounding import (
    MaxFlopsOption,
    MaxLatencyOption,
    MaxParametersOption,
    MorphismsOption,
    WithoutLayersOption,
    bounds_of,
)
from netmorph.commands.datasets import resolve, upload
from netmorph.commands.options import (
    MOST_IN_FLIGHT,
    MOST_MINUTES,
    MOST_TRIALS,
    JsonOption,
    PriorityOption,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.commands.preparing import (
    MeanOption,
    ScaleOption,
    StdOption,
    preparation_of,
    read_network,
)
from netmorph.commands.reading import with_reading
from netmorph.commands.up import WorkersOption
from netmorph.errors import ClientError, RefusedRequest
from netmorph.formatting import clock
from netmorph.launcher import Running
from netmorph.progress import follow
from netmorph.report import default_folder, print_summary, summary
from netmorph.target import Target
from netmorph.uploads import Options

if TYPE_CHECKING:
    from netmorph.importing.files import ImportedNetwork
    from netmorph.importing.preparation import Preparation

_DEFAULT_TRIALS = 12
_STRATEGY = (
    "Search strategy: bayesian, bfs, bo-scratch, evolution, grid, hill-climbing, random or "
    "reinforce."
)
_BEGINNING = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,27}")  # of an id, as lists show it
_PLAIN = {"augmentation": "none", "erasing": 0, "mixing": 0}


class Cost(StrEnum):
    """What a search may minimise alongside the metric."""

    PARAMETERS = "parameters"
    FLOPS = "flops"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A search to create, and the folder for its export."""

    dataset: str
    upload: Path | None  # the file or folder, if `dataset` names one
    options: Options  # of the upload
    body: dict[str, Any]  # of `POST /v1/searches`, without the data set
    folder: Path | None  # None: one named after the search
    root: "ImportedNetwork | UUID | None"  # or uploaded already; None: the search chooses its own


@with_service
@with_reading
def search(
    service: Target,
    dataset: Annotated[
        str,
        typer.Option(
            help="A table (CSV, TSV, Parquet), an npz or zip file, a folder of images by class, "
            "the name or id of a data set, digits, or fashion-mnist."
        ),
    ],
    *,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_TRIALS,
            help="Budget: number of trials. Default: 12, or none with --minutes.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.2,
            max=MOST_MINUTES,
            help="Budget: minutes, final fit included. Default: no limit.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Seed of all random choices.")
    ] = 0,
    strategy: Annotated[str, typer.Option(help=_STRATEGY)] = "bayesian",
    strategy_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Option of the strategy, such as prior=false; may be repeated.",
        ),
    ] = None,
    cost: Annotated[
        Cost | None, typer.Option(help="Also minimise this; returns a Pareto front.")
    ] = None,
    max_parameters: MaxParametersOption = None,
    max_flops: MaxFlopsOption = None,
    max_latency: MaxLatencyOption = None,
    morphisms: MorphismsOption = None,
    without_layers: WithoutLayersOption = None,
    parallelism: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_IN_FLIGHT, help="Trials in flight. Default: the number of workers."
        ),
    ] = None,
    priority: PriorityOption = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8,
            help="Export the mean of this many best networks. Default: one, or up to four where "
            "there is more time than one network can use.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What to optimise: accuracy, balanced-accuracy, macro-f1, auroc or log-loss for "
            "classes; average-precision, auroc, macro-f1 or exact-match for several labels; r2, "
            "rmse or mae for numbers. Default: the first of these."
        ),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            help="balanced: examples of rare classes count for more in training, so that all "
            "classes count equally."
        ),
    ] = None,
    no_augmentation: Annotated[
        bool,
        typer.Option(
            "--no-augmentation",
            help="Train on the examples as they are: not moved, mirrored, mixed or partly erased.",
        ),
    ] = False,
    reading: Options,
    root: Annotated[
        Path | None,
        typer.Option(
            help="Start from this network: an ONNX file, a program of torch.export (.pt2), the "
            "folder of an export, an architecture as JSON or YAML (without weights), or the id of "
            "one that is uploaded already."
        ),
    ] = None,
    keep_accuracy: Annotated[
        bool,
        typer.Option(
            "--keep-accuracy",
            help="Look for a network with fewer parameters, or less of --cost, that is as good as "
            "the --root within noise.",
        ),
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Also export an ONNX file of eight bits, with its test value. Needs onnxruntime "
            "on the workers.",
        ),
    ] = False,
    root_scale: ScaleOption = None,
    root_mean: MeanOption = None,
    root_std: StdOption = None,
    workers: WorkersOption = 1,
    export_to: Annotated[
        Path | None,
        typer.Option("--export", help="Folder for the exported network. Default: exports/NAME-ID."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the search. Default: that of the data set with six characters."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Create no search: print its starting architectures and expected times. A file "
            "or folder is uploaded.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search, train and export a network. Starts the local service if none is running.

    For example: `netmorph search --dataset pets/ --minutes 60`, or `netmorph search --dataset
    customers.csv --target churned --minutes 5`.
    """
    budget = {"trials": trials, "seconds": None if minutes is None else 60 * minutes}
    if trials is None and minutes is None:
        budget["trials"] = _DEFAULT_TRIALS
    bounds = bounds_of(
        parameters=max_parameters,
        flops=max_flops,
        latency=max_latency,
        morphisms=morphisms,
        without_layers=without_layers,
    )
    if keep_accuracy and root is None:
        raise ClientError("--keep-accuracy needs a network whose accuracy is kept: add --root FILE")
    if int8 and service.url is None and find_spec("onnxruntime") is None:
        raise ClientError(
            "--int8 needs the package onnxruntime where the worker runs, and it is not installed "
            "here: pip install 'netmorph[int8]'"
        )
    body = {
        "int8": int8 or None,
        "keep_accuracy": keep_accuracy or None,
        "cost": cost and cost.value,
        "bounds": bounds,
        "budget": _given(budget),
        "metric": metric,
        "training": _given(
            {"ensemble": ensemble, "class_weights": class_weights, "split_seed": reading.split_seed}
        )
        | (_PLAIN if no_augmentation else {})
        or None,
        "strategy": strategy,
        "strategy_options": _options(strategy_option or ()) or None,
        "seed": seed,
        "parallelism": parallelism or max(1, workers),
        "priority": priority and priority.value,
        "name": name,
        "task": reading.task,
    }
    request = _Request(
        dataset=dataset,
        upload=uploads.path_in(dataset),
        options=reading,
        body=_given(body),
        folder=export_to,
        root=_network(root, preparation_of(root_scale, root_mean, root_std)),
    )
    export.require_writable(export_to or default_folder(None))
    if dry_run:
        with service.on_demand(workers=0) as running:
            _preview(running, request, as_json=as_json)
        return
    with service.on_demand(workers=workers) as running:
        code = _run(running, request, sign_in=service.sign_in_hint(), as_json=as_json)
    raise typer.Exit(code)


def _network(
    root: Path | None, preparation: "Preparation | None"
) -> "ImportedNetwork | UUID | None":
    """The network of a file or a folder, or the id of one that is uploaded already."""
    if root is None:
        return None
    if not root.exists():
        with contextlib.suppress(ValueError):
            found = UUID(str(root))
            if preparation is not None:
                raise ClientError(
                    "--root-scale, --root-mean and --root-std are for ONNX files and programs of "
                    f"torch.export; {root} is the id of an uploaded network: leave them out"
                )
            return found
    return read_network(root, preparation)


def _run(running: Running, request: _Request, *, sign_in: str, as_json: bool) -> int:
    """Create the search, follow it to its end and download the export; return the exit code."""
    out = messages(quiet=as_json)
    with Client(running.url, running.key) as client:
        body = request.body | {"dataset": _dataset(client, request, out)} | _root(client, request)
        created = client.create_search(body)
        if request.upload is None:
            _print_facts(client.dataset(created["dataset"]["id"]), out)
        for label, words in (*_about_root(request.root), *_headlines(running, created, sign_in)):
            out.print(f"{label:11}{words}", soft_wrap=True)
        try:
            ended = follow(client, created, out)
            folder = _download(client, ended, request.folder)
        except KeyboardInterrupt:
            return _interrupted(running, created, out, as_json=as_json)
        result = summary(client, ended, folder)
    if as_json:
        print_json(result)
    else:
        print_summary(result, console())
    return 0 if ended["status"] == "completed" else 1


def _preview(running: Running, request: _Request, *, as_json: bool) -> None:
    """Print what the search would be."""
    out = messages(quiet=as_json)
    with Client(running.url, running.key) as client:
        body = request.body | {"dataset": _dataset(client, request, out)} | _root(client, request)
        preview = client.preview_search(body)
    if as_json:
        print_json(preview)
    else:
        console().print(tables.facts(preview_facts(preview)))


def _about(seconds: float) -> str:
    return f"about {clock(seconds)}" if seconds >= 1 else "less than a second"


def preview_facts(preview: Preview) -> dict[str, object]:
    """What a search would be, by label."""
    return {
        "starts from": [
            f"{root['layers']} layers, {root['parameters']:,} parameters, {root['flops']:,} FLOPs, "
            f"{_about(root['seconds'])} of training"
            for root in preview["roots"]
        ],
        "later trials": f"{_about(preview['trial_seconds'])} of training each, as expected of "
        "one usual thread",
        "parameters": f"at most {preview['bounds']['parameters']:,}",
        "workers": f"{preview['workers']} that take trials",
    }


def _options(texts: Iterable[str]) -> dict[str, Any]:
    """The options NAME=VALUE by name; a value is a number, true, false or else a text."""
    options = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise ClientError(f"invalid option {text!r}: expected NAME=VALUE, as in population=20")
        try:
            options[name] = json.loads(value, parse_constant=str)
        except (ValueError, RecursionError):
            options[name] = value
    return options


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _headlines(running: Running, created: Search, sign_in: str) -> list[tuple[str, str]]:
    """What is printed first. The key is not: the output may end up in a log that others read."""
    return [
        ("search", f"{created['name']} ({created['id']})"),
        ("dashboard", f"{running.url}/searches/{created['id']}"),
        ("sign in", sign_in),
    ]


def _dataset(client: Client, request: _Request, out: Console) -> str:
    """The name or id of the data set; a file or folder is uploaded first, and described."""
    if request.upload is None:
        stored = _stored(client, request.dataset)
        options = request.options
        if options.fields().keys() - {"task", "split_seed"} or options.validation or options.test:
            raise ClientError(
                "--target, --text, --category, --leave-out, --layout, --image-side, "
                "--merge-labels, --validation, --test, --group and --time are for files and "
                f"folders; {request.dataset!r} is stored already: leave them out"
            )
        return stored
    if request.dataset in client.intake()["builtins"]:
        raise ClientError(
            f"{request.dataset!r} is a built-in data set and also the name of a file or folder "
            f"here; expected builtin:{request.dataset} or ./{request.dataset}"
        )
    item = upload(client, request.upload, request.options, out)
    _print_facts(item, out)
    return item["id"]


def _stored(client: Client, text: str) -> str:
    """The name or id of a data set of the service; of a beginning, as lists show it, the id.

    Raises ClientError where there is none: a folder may be meant that is not here.
    """
    if _BEGINNING.fullmatch(text):
        return resolve(client, text)["id"]
    builtins = client.intake()["builtins"]
    if text.removeprefix("builtin:") in builtins or newest_dataset(client.datasets(), text):
        return text
    raise ClientError(
        f"there is no file, folder or data set {text!r}; built in are "
        f"{', '.join(sorted(builtins))}, and `netmorph dataset ls` lists the others"
    )


def _print_facts(item: Dataset, out: Console) -> None:
    """Print how the data set was understood, before it is trained on."""
    version = f", version {item['version']}" if item["version"] > 1 else ""
    out.print(f"{'data set':11}{item['name']}{version} ({item['id']})", soft_wrap=True)
    for label, text in tables.headlines(item["description"]):
        out.print(f"{label:11}{text}", soft_wrap=True)


def _root(client: Client, request: _Request) -> dict[str, str]:
    """The root in the body of a search; its network is uploaded first."""
    root = request.root
    if root is None:
        return {}
    if isinstance(root, UUID):
        return {"root": str(root)}
    return {"root": client.add_network(root.name, root.architecture, root.weights)["id"]}


def _about_root(root: "ImportedNetwork | UUID | None") -> list[tuple[str, str]]:
    """What the search starts from, and what differs from the file."""
    if root is None:
        return []
    if isinstance(root, UUID):
        return [("root", f"the uploaded network {root}")]
    size = "random weights" if root.parameters is None else f"{root.parameters:,} parameters"
    return [("root", f"{root.name}, {size}"), *[("", note) for note in root.notes]]


def _download(client: Client, ended: Search, requested: Path | None) -> Path | None:
    """Download the exported network, if there is one; return its folder."""
    if ended["final"] is None or ended["final"]["export_bytes"] is None:
        return None
    folder = requested or default_folder(ended)
    export.download(client, ended["id"], folder)
    return folder.absolute()


def _interrupted(running: Running, created: Search, out: Console, *, as_json: bool) -> int:
    """Pause the search, so that no trial is lost and none runs unattended; return the exit code."""
    with Client(running.url, running.key) as client:  # the old one was interrupted
        try:
            current = client.pause(created["id"])
        except RefusedRequest:  # it has ended or is about to
            current = client.search(created["id"])
    if as_json:
        print_json({"search_id": current["id"], "status": current["status"]})
    elif current["status"] == "paused":
        out.print(
            f"paused; to continue it: netmorph resume {current['id']}"
            " (if no service runs, start it by netmorph up)",
            soft_wrap=True,
        )
    else:
        out.print(
            f"the search is {current['status']}: netmorph show {current['id']}", soft_wrap=True
        )
    return 130
