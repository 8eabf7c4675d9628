"""What is written of a search and its trials, whichever tool reads it."""

import importlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from netmorph.answers import Epoch, Search, Trial
from netmorph.errors import ClientError
from netmorph.lineage import beginning, belief, steps

#: A parameter of a trial, as both tools take it.
Value = str | int | float | bool


class Source(Protocol):
    """The calls of `netmorph.Client` that are needed here."""

    def search(self, search_id: str) -> Search:
        """The current state of a search."""

    def trials(self, search_id: str) -> Iterator[Trial]:
        """The trials of a search, ordered by number."""

    def epochs(self, trial_id: str) -> list[Epoch]:
        """The epochs of a trial, attempt by attempt."""


@dataclass(frozen=True, slots=True)
class Point:
    """One number of a learning curve."""

    name: str
    step: int  # the epoch, from 1
    value: float
    at: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a call has done."""

    trials: int  # that are there now
    points: int  # numbers of learning curves, in MLflow also results, that this call has written


def curves(client: Source, search: Search, trial: Trial) -> list[Point]:
    """The learning curves of a trial: those of its last attempt, which has all earlier epochs.

    Their names are `loss/train`, `loss/validation`, `validation/accuracy` with the name of the
    metric, and `learning_rate`.
    """
    names = {
        "loss/train": "train_loss",
        "loss/validation": "validation_loss",
        f"validation/{search['metric']}": "validation_metric",
        "learning_rate": "learning_rate",
    }
    began = seconds_of(trial["started_at"]) or 0.0
    return [
        Point(name, epoch["epoch"], value, began + epoch["seconds"])
        for epoch in client.epochs(trial["id"])
        if epoch["attempt"] == trial["attempt"]
        for name, field in names.items()
        if (value := epoch[field]) is not None  # type: ignore[literal-required]
    ]


def parameters(search: Search, trial: Trial) -> dict[str, Value]:
    """The hyper-parameters of a trial, the same names for each: its architecture and changes."""
    return {
        "kind": trial["kind"],
        "morphisms": steps(trial, ", then ") or beginning(search),
        "training": trial["changes"] or "as the others",
        "parent": "none" if trial["parent_number"] is None else f"trial {trial['parent_number']}",
        "layers": trial["layers"],
        "parameters": trial["parameters"],
        "flops": trial["flops"],
    }


def settings(search: Search) -> dict[str, Value]:
    """What a search was asked for."""
    groups = ("budget", "training", "bounds", "strategy_options")
    given = {
        f"{group}.{name}": _plain(value)
        for group in groups
        for name, value in search[group].items()  # type: ignore[literal-required]
        if value is not None
    }
    named = ("task", "strategy", "metric", "cost", "seed", "parallelism")
    own = {name: _plain(search[name]) for name in named if search[name] is not None}  # type: ignore[literal-required]
    return {"dataset": search["dataset"]["name"], **own, **given}


def results(search: Search, trial: Trial) -> dict[str, float]:
    """The numbers that a trial has ended with."""
    named = {
        search["metric"]: trial["value"],
        f"{search['metric']}_std": trial["value_std"],
        "validation_loss": trial["validation_loss"],
        "latency_seconds": trial["latency"],
        "training_seconds": trial["seconds"],
    }
    found = {name: value for name, value in named.items() if value is not None}
    return found | trial.get("measures", {})


def words(search: Search, trial: Trial) -> dict[str, str]:
    """What else is known of a trial, by label; a fact that is not known is missing."""
    facts = {
        "status": trial["status"],
        "reason": trial["reason"],
        "remark": trial["remark"],
        "expected": belief(trial, search.get("in_percent", True)),
        "worker": trial["worker"],
        "precision": trial["precision"],
        "fingerprint": trial["fingerprint"],
    }
    return {label: " ".join(text.split()) for label, text in facts.items() if text}


def title(trial: Trial) -> str:
    """The name of a trial: "trial 3", "trial 9, final fit"."""
    kind = {"final": ", final fit", "former": ", earlier final fit"}.get(trial["kind"], "")
    return f"trial {trial['number']}{kind}"


def seconds_of(time: str | None) -> float | None:
    """A time of the service as seconds since 1970."""
    return None if time is None else datetime.fromisoformat(time).timestamp()


def package(name: str, extra: str) -> Any:
    """A package that is needed here alone; raise ClientError where it is not installed."""
    if importlib.util.find_spec(name) is None:
        raise ClientError(
            f"this needs the package {name}, which is not installed: "
            f"pip install 'netmorph[{extra}]'"
        )
    return importlib.import_module(name)


def _plain(value: object) -> Value:
    return value if isinstance(value, Value) else json.dumps(value, ensure_ascii=False)
