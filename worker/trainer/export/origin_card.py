"""The parts of the model card on use and origin: intended use, limits, how to make it again."""

import json
import platform
from importlib import metadata
from typing import Any

from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.export.markdown import plain
from worker.trainer.train_job import TrainJob

PACKAGES = ("netmorph", "torch", "numpy")
MOST_CHANNELS = 4  # whose ranges are told one by one
_UNITS = {"trials": "trials", "epochs": "epochs", "seconds": "seconds"}


def fact_rows(job: TrainJob, inputs: TrainedInputs) -> list[str]:
    """Rows of the first table: values, latency, budget and versions, where they are known."""
    facts = {
        "value range in training": _value_range(job.dataset_spec, inputs),
        "latency": _latency(job.history),
        "budget of the search": _budget(job.history.get("config") or {}),
        "made with": _versions(),
    }
    return [f"| {name} | {words} |" for name, words in facts.items() if words]


def _value_range(spec: DatasetSpec, inputs: TrainedInputs) -> str:
    """The least and the largest raw value; empty for rows and texts, which have other inputs."""
    if spec.table is not None or spec.text is not None:
        return ""
    pairs = list(zip(inputs.low, inputs.high, strict=True))
    if len(pairs) > MOST_CHANNELS:
        return f"{min(inputs.low):g} to {max(inputs.high):g}, by channel in `preprocess.json`"
    return ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(pairs))


def _latency(history: dict[str, Any]) -> str:
    seconds = history.get("latency")
    if not isinstance(seconds, float):
        return ""
    how = ", ".join(plain(str(history[key])) for key in ("device", "precision") if history.get(key))
    members = history.get("members") or ()
    whose = f", one of the {len(members)} networks of the final fit" if len(members) > 1 else ""
    return (
        f"{1000 * seconds:.3g} ms for one example at a time, measured in the search for trial "
        f"{history.get('of_number', '?')}{whose}{f' ({how})' if how else ''}"
    )


def _budget(config: dict[str, Any]) -> str:
    budget = config.get("budget") or {}
    return ", ".join(
        f"{budget[name]:g} {unit}" for name, unit in _UNITS.items() if budget.get(name) is not None
    )


def _versions() -> str:
    """The versions of the worker that made the export."""
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(f"{name} {version}" for name, version in found)


def use_section(spec: DatasetSpec, examples: int) -> list[str]:
    """What the network is meant for, and where its answers cannot be relied on."""
    return [
        "## Intended use and limits",
        "",
        "It is meant for examples that come about as those of the data set did: from the same "
        "source, prepared in the same way.",
        "",
        *(f"- {limit}" for limit in _limits(spec, examples)),
        "",
    ]


def _limits(spec: DatasetSpec, examples: int) -> list[str]:
    limits = [
        f"The test metrics are of {examples:,} examples. On examples of another source they may be "
        "far worse: measure them there.",
    ]
    if spec.classes and not spec.multi_label:
        limits.append(
            f"Every example is given one of the {spec.classes} classes, also one that belongs to "
            "none of them."
        )
    if spec.multi_label:
        limits.append("It knows no other labels than those of the data set.")
    if not spec.classes:
        limits.append("Do not rely on predictions beyond the range of the numbers in training.")
    if len(spec.input_shape) > 1 and spec.text is None:
        limits.append(
            f"It reads examples of shape {' × '.join(map(str, spec.input_shape))} (channels "
            "first), with values in the range of training: `predict.py` warns of others."
        )
    if spec.text is not None:
        limits.append(f"Of a text it reads the first {spec.text.length:,} tokens.")
    limits.append(
        "Groups among the examples, such as of persons, were not looked at one by one: check that "
        "it is as good for each of them before it decides on people."
    )
    return limits


def reproduction_section(job: TrainJob) -> list[str]:
    """The command and the request that make the same search again; none without a history."""
    history = job.history
    config = history.get("config")
    if not config:
        return []
    body = json.dumps({"dataset": job.dataset_name} | config, indent=1, ensure_ascii=False)
    body = body.replace("`", "\\u0060")  # the same JSON, which cannot end the block of code
    return [
        "## Make it again",
        "",
        "```sh",
        f"netmorph clone {history.get('search_id', '')}",
        "```",
        "",
        "This requests the same search, with the same seed, from the service that made the "
        "network. Elsewhere, import the data set and send this to `POST /v1/searches`:",
        "",
        "```json",
        *body.split("\n"),
        "```",
        "",
        f"The data set has the key `{job.dataset.key}`, which is made from its content. With the "
        "same versions and threads, trials of a fixed number of epochs come out the same; those "
        "that end by the clock do not.",
        "",
    ]
