"""The command and the request that do what a form for a search would."""

import json
import shlex
from typing import Any

from api.dashboard.search_form import FLAGS, PATHS, PLAIN, USUAL, Fields

#: The option of `netmorph search` for each field; those without one need the request.
_OPTIONS = {
    "dataset": "--dataset", "trials": "--trials", "minutes": "--minutes", "root": "--root",
    "keep_accuracy": "--keep-accuracy", "strategy": "--strategy", "options": "--strategy-option",
    "metric": "--metric", "cost": "--cost", "parallelism": "--parallelism", "seed": "--seed",
    "priority": "--priority",
    "name": "--name", "parameters": "--max-parameters", "flops": "--max-flops",
    "latency": "--max-latency", "morphisms": "--morphisms",
    "without_layers": "--without-layers", "class_weights": "--class-weights",
    "split_seed": "--split-seed", "augmentation": "--no-augmentation", "ensemble": "--ensemble",
    "int8": "--int8",
}  # fmt: skip
_CLONE_OPTIONS = ("name", "seed", "trials", "minutes", "priority")
_LONGEST_LINE = 42  # characters of a command beside the form, and on a narrow screen


def search_command(fields: Fields) -> str | None:
    """`netmorph search` with the same settings; None where it has no option for one of them."""
    given = {name: fields[name] for name in PATHS if fields[name] not in ("", USUAL.get(name))}
    if set(given) - set(_OPTIONS) or given.get("augmentation", PLAIN) != PLAIN:
        return None
    return _in_lines("netmorph search", _options(given, tuple(_OPTIONS)))


def clone_command(fields: Fields, like: Fields) -> str | None:
    """`netmorph clone` with the same changes; None where it has no option for one of them."""
    changed = {name for name in PATHS if fields[name] != like[name]}
    if changed - set(_CLONE_OPTIONS):
        return None
    if changed & {"trials", "minutes"}:  # a new budget replaces all limits of the old one
        changed |= {"trials", "minutes"}
    given = {name: fields[name] for name in changed if fields[name]}
    return _in_lines(f"netmorph clone {fields['like']}", _options(given, _CLONE_OPTIONS))


def curl(service: str, body: dict[str, Any]) -> str:
    """The request to the service at this address."""
    data = shlex.quote(json.dumps(body, indent=1, ensure_ascii=False))
    return (
        f"curl {service}/v1/searches \\\n"
        ' -H "Authorization: Bearer $NETMORPH_KEY" \\\n'
        f" -H 'Content-Type: application/json' \\\n -d {data}"
    )


def _options(given: Fields, names: tuple[str, ...]) -> list[str]:
    return [one for name in names if name in given for one in _option(name, given[name])]


def _option(name: str, text: str) -> list[str]:
    """The words for a field: a flag has no value, and an option that repeats has one each time."""
    if name in FLAGS or name == "augmentation":
        return [_OPTIONS[name]]
    values = [one.strip() for one in text.split(",")] if name == "options" else [text]
    return [shlex.join([_OPTIONS[name], value]) for value in values if value]


def _in_lines(command: str, options: list[str]) -> str:
    """A command on one line, or on one for each option where that would be long."""
    line = " ".join([command, *options])
    return line if len(line) <= _LONGEST_LINE else " \\\n  ".join([command, *options])
