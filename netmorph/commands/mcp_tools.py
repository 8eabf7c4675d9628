"""The tools of `netmorph mcp`: what a language model can do with searches, as text.

The signature and the docstring of each tool are its description for the model. A tool makes a
client of its own for each call, so that it finds a service that was started or replaced meanwhile.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from rich.console import Console, RenderableType

from netmorph import export, lineage, tables
from netmorph.answers import Search, Trial
from netmorph.client import Client
from netmorph.commands.options import Priority
from netmorph.commands.searches import new_limits, resolve
from netmorph.diagnosis import SECONDS_SILENT
from netmorph.errors import ClientError
from netmorph.formatting import clock, measures, metric, milliseconds
from netmorph.importing.files import ImportedNetwork, read
from netmorph.report import plain_name
from netmorph.table_parts import WIDE

_COLUMNS = WIDE  # of a table: each row is one line and has complete ids
_LONGEST_WAIT = 50.0  # seconds; programs that call tools give up after a minute
_DEFAULT_TRIALS = 12
_PRIORITY = (
    "Which waiting trials are leased first: low ones after those of all users, high ones (admins "
    "only) before them. Default: normal."
)

SearchName = Annotated[
    str,
    Field(description="A search: its id, the beginning of its id, its name, or `last`."),
]


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools on one service; files are read and written below one folder."""

    connect: Callable[[], Client]
    folder: Path

    def all(self) -> Iterable[tuple[Callable[..., str], bool]]:
        """The tools in the order of their use, each with whether it only reads."""
        return (
            (self.submit_search, False),
            (self.search_status, True),
            (self.list_searches, True),
            (self.front, True),
            (self.explain_trial, True),
            (self.enqueue_architecture, False),
            (self.extend_search, False),
            (self.stop_search, False),
            (self.export_model, False),
        )

    def submit_search(
        self,
        dataset: Annotated[
            str, Field(description="Name or id of a stored data set, such as digits.")
        ],
        trials: Annotated[
            int | None, Field(ge=1, description="Budget: networks to try. Default: 12.")
        ] = None,
        minutes: Annotated[
            float | None, Field(ge=0.2, description="Budget: minutes, final fit included.")
        ] = None,
        name: Annotated[str | None, Field(description="Name of the search.")] = None,
        strategy: Annotated[
            str | None, Field(description="Search strategy. Default: bayesian.")
        ] = None,
        cost: Annotated[
            Literal["parameters", "flops", "latency"] | None,
            Field(description="Also minimise this; gives a Pareto front."),
        ] = None,
        max_parameters: Annotated[
            int | None, Field(ge=100, description="Largest number of parameters of a network.")
        ] = None,
        parallelism: Annotated[
            int, Field(ge=1, description="Trials that are trained at the same time.")
        ] = 1,
        priority: Annotated[Priority | None, Field(description=_PRIORITY)] = None,
        seed: Annotated[int, Field(ge=0, lt=2**31, description="Seed of all random choices.")] = 0,
    ) -> str:
        """Start a search for a neural network on a stored data set; return its id.

        The search runs on the service. Follow it with search_status; after its end, export_model
        downloads the network.
        """
        if trials is None and minutes is None:
            trials = _DEFAULT_TRIALS
        body: dict[str, Any] = {
            "dataset": dataset,
            "budget": _given(trials=trials, seconds=None if minutes is None else 60 * minutes),
            "bounds": _given(parameters=max_parameters) or None,
        }
        body |= {"name": name, "strategy": strategy, "cost": cost}
        body |= {"parallelism": parallelism, "seed": seed, "priority": priority}
        with self.connect() as client:
            made = client.create_search(_given(**body))
            live = client.count_live_workers(SECONDS_SILENT)
        idle = "" if live else "\nNo worker is there: it waits until one starts."
        return f"{made['name']} is search {made['id']}, {made['status']}{idle}"

    def search_status(
        self,
        search: SearchName = "last",
        wait_seconds: Annotated[
            float,
            Field(ge=0, le=_LONGEST_WAIT, description="Wait at most this long for its end."),
        ] = 0,
    ) -> str:
        """Show the state of a search: progress, best trial, test result, lineage of its winner."""
        with self.connect() as client:
            item = resolve(client, search)
            if wait_seconds > 0:
                item = client.wait(item["id"], wait_seconds)
            number = lineage.winner(item)
            line = [] if number is None else lineage.ancestry(client.trials(item["id"]), number)
        words = lineage.in_words(line, item)
        return _text(tables.search(item, words))

    def list_searches(
        self,
        limit: Annotated[int, Field(ge=1, le=100, description="At most this many.")] = 20,
    ) -> str:
        """List the searches, the newest first."""
        with self.connect() as client:
            found = list(islice(client.searches(), limit))
        return _text(tables.searches(found, _COLUMNS)) if found else "There are no searches yet."

    def front(self, search: SearchName = "last") -> str:
        """Show the Pareto front of a search with a cost: its best trades of value against cost."""
        with self.connect() as client:
            item = resolve(client, search)
            if item["cost"] is None:
                raise ClientError(
                    f"{item['name']} has no cost and so no front: search_status shows its best "
                    "trial; to get a front, submit a search with cost"
                )
            found = client.front(item["id"])
        points = tables.points(found, item.get("in_percent", True))
        return "\n".join(points) or "No trial has ended yet: ask again later."

    def explain_trial(
        self,
        search: SearchName,
        number: Annotated[int, Field(ge=0, description="The number of the trial in its search.")],
    ) -> str:
        """Explain one trial: why the search tried it, its predicted value and its result."""
        with self.connect() as client:
            item = resolve(client, search)
            client.trial(item["id"], number)
            line = lineage.ancestry(client.trials(item["id"]), number)
        return "\n".join(explanation(item, line))

    def enqueue_architecture(
        self,
        search: SearchName,
        architecture: Annotated[
            dict[str, Any] | None,
            Field(
                description='Such as {"version": 1, "nodes": [{"id": 0, "kind": "input", "inputs": '
                '[], "shape": [1, 8, 8]}, {"id": 1, "kind": "flatten", "inputs": [0]}, {"id": 2, '
                '"kind": "dense", "inputs": [1], "units": 10}, {"id": 3, "kind": "output", '
                '"inputs": [2]}]}. model.json of an export has this form.'
            ),
        ] = None,
        file: Annotated[
            str | None,
            Field(
                description="In place of it: an ONNX file, a program of torch.export (.pt2), a "
                "JSON file or the folder of an export, below the folder of this server."
            ),
        ] = None,
    ) -> str:
        """Let an architecture of your own become the next trial of a search."""
        given = self._network(architecture, file)
        with self.connect() as client:
            item = resolve(client, search)
            uploaded = client.add_network(given.name, given.architecture, given.weights)
            number = client.enqueue(item["id"], uploaded["id"])["number"]
        when = "becomes the next trial" if number is None else f"is trial {number}"
        return "\n".join([f"{given.name} {when} of {item['name']}", *given.notes])

    def extend_search(
        self,
        search: SearchName,
        trials: Annotated[int | None, Field(ge=1, description="This many trials more.")] = None,
        minutes: Annotated[
            float | None, Field(ge=0.1, description="This many minutes more.")
        ] = None,
        parallelism: Annotated[
            int | None, Field(ge=1, description="Trials at the same time from now on.")
        ] = None,
        priority: Annotated[Priority | None, Field(description=_PRIORITY)] = None,
    ) -> str:
        """Let a search spend more, or change its priority. One that has ended runs on."""
        if trials is None and minutes is None and parallelism is None and priority is None:
            raise ClientError(
                "nothing to change: expected trials, minutes, parallelism or priority"
            )
        with self.connect() as client:
            item = resolve(client, search)
            more = {"trials": trials, "seconds": None if minutes is None else 60 * minutes}
            limits = new_limits(item, more) | _given(parallelism=parallelism, priority=priority)
            extended = client.extend(item["id"], **limits)
        return f"{_state(extended)}; {_limits(extended)}"

    def stop_search(
        self,
        search: SearchName,
        finish: Annotated[
            bool,
            Field(
                description="true: let running trials end, then train and export the best network. "
                "false: stop at once, without a network."
            ),
        ],
    ) -> str:
        """Stop a search: with `finish` it ends with a trained network, else at once."""
        with self.connect() as client:
            item = resolve(client, search)
            end = client.finish if finish else client.stop
            return _state(end(item["id"]))

    def export_model(
        self,
        search: SearchName,
        to: Annotated[
            str | None,
            Field(
                description="Folder for the network, below the folder of this server. "
                "Default: named after the search."
            ),
        ] = None,
    ) -> str:
        """Download the trained network of a completed search with the programs that use it.

        An earlier export in the folder is replaced; another folder with files in it is not.
        """
        with self.connect() as client:
            item = resolve(client, search)
            target = self._inside(to or plain_name(item))
            export.download(client, item["id"], target)
        return f"exported to {target}; README.md there says how to use it"

    def _network(self, architecture: dict[str, Any] | None, file: str | None) -> ImportedNetwork:
        """The network of an object or a file; ClientError unless exactly one is given."""
        if (architecture is None) == (file is None):
            raise ClientError("expected either architecture or file, and not both")
        if file is not None:
            return read(self._inside(file))
        assert architecture is not None
        return ImportedNetwork("enqueued", json.dumps(architecture), None)

    def _inside(self, path: str) -> Path:
        """A path below the folder of the server; links are followed before it is checked."""
        root = self.folder.resolve()
        try:
            found = (root / path).resolve()
        except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL byte
            raise ClientError(f"{path!r} is no path; expected one below {root}") from None
        if found == root or not found.is_relative_to(root):
            raise ClientError(f"{path} is not below {root}: give a path below that folder")
        return found


def explanation(search: Search, line: list[Trial]) -> Iterator[str]:
    """Why a trial was made, its prediction and its result; `line` ends with the trial."""
    trial, in_percent = line[-1], search.get("in_percent", True)
    yield f"trial {trial['number']} of {search['name']}: {trial['status']}"
    yield f"why: {_origin(search, line)}"
    if trial["changes"]:
        yield f"trained differently: {trial['changes']}"
    yield f"predicted: {_prediction(trial, in_percent)}"
    yield f"result: {_outcome(search, trial)}"
    if trial["remark"]:
        yield f"remark: {trial['remark']}"
    size = f"{trial['layers']} layers, {trial['parameters']:,} parameters, {trial['flops']:,} FLOPs"
    yield f"size: {size}, {milliseconds(trial['latency'])} for one example"
    if len(line) > 1:
        yield "lineage:"
        yield from (f"  {sentence}" for sentence in lineage.in_words(line, search))


def _origin(search: Search, line: list[Trial]) -> str:
    """Where a trial comes from."""
    trial = line[-1]
    if trial["kind"] != "search":
        return "the final fit of the search"
    if trial["network_id"] is not None:
        return "a user has enqueued this network"
    steps = lineage.steps(trial, ", then ")
    if trial["parent_number"] is None:
        return f"a start of the search {steps}".rstrip()
    weights = "with its weights" if trial["inherited"] else "with new weights"
    parent = f"trial {trial['parent_number']}"
    value = line[-2]["value"] if len(line) > 1 else None
    had = "" if value is None else f" ({metric(value, search.get('in_percent', True))})"
    return f"the strategy {search['strategy']} chose it from {parent}{had}, {weights}: {steps}"


def _prediction(trial: Trial, in_percent: bool) -> str:
    """The prediction of the surrogate, if it made one."""
    text = lineage.belief(trial, in_percent)
    return f"{text} (one standard deviation)" if text else "nothing"


def _outcome(search: Search, trial: Trial) -> str:
    """The value and how the training went, compared with the prediction."""
    if trial["value"] is None:
        return f"no value{_because(trial)}"
    in_percent = search.get("in_percent", True)
    text = f"{search['metric']} {metric(trial['value'], in_percent)}"
    if found := measures(trial.get("measures") or {}):
        text += f" ({found})"
    if trial["predicted_mean"] is not None and trial["predicted_std"]:
        errors = (trial["value"] - trial["predicted_mean"]) / trial["predicted_std"]
        text += f", {abs(errors):.1f} standard deviations {'above' if errors > 0 else 'below'}"
    seconds = "" if trial["seconds"] is None else f" in {clock(trial['seconds'])}"
    return f"{text}, after {trial['epochs']} epochs{seconds}{_because(trial)}"


def _because(trial: Trial) -> str:
    return f"; {trial['reason']}" if trial["reason"] else ""


def _state(search: Search) -> str:
    return f"{search['name']} ({search['id']}) is {search['status']}"


def _limits(search: Search) -> str:
    """What a search may use from its start to its end, and how its trials are trained."""
    budget = search["budget"]
    seconds, trials, epochs = budget["seconds"], budget["trials"], budget["epochs"]
    limits = {"trials": trials, "epochs": epochs, "minutes": seconds and round(seconds / 60, 1)}
    text = ", ".join(f"{value:,} {name}" for name, value in limits.items() if value is not None)
    return f"budget {text}; {search['parallelism']} in flight, priority {search['priority']}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _text(table: RenderableType) -> str:
    """A table as text without colours and without spaces at the ends of lines."""
    out = Console(
        file=io.StringIO(), width=_COLUMNS, color_system=None, markup=False, highlight=False
    )
    with out.capture() as captured:
        out.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
