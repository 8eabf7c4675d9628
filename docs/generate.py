"""Writes the parts of these pages that come from the code: `python -m docs.generate`.

`docs/reference/settings.md` is made from the settings classes, `docs/reference/commands.md` from
the command line, `docs/reference/metrics.md` from the declared metrics, `docs/reference/rest.md`
and `docs/reference/openapi.json` from the routes, `docs/reference/python.md` from docstrings, the
state diagrams of `docs/architecture.md` from the transition tables, the matrix of
`docs/security.md` from the routes. `tests/docs` fails while a page is out of date.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from inspect import getsourcefile
from pathlib import Path
from typing import Any

import typer
from pydantic_settings import BaseSettings
from typer.cli import get_docs_for_click

import api.settings
import netmorph.cli
import worker.settings
from api.instruments import METRICS, Metric
from core.protocol.states import (
    EXTENDABLE_SEARCH,
    LIVE_SEARCH,
    LIVE_TRIAL,
    SEARCH_SOURCES,
    TRIAL_SOURCES,
    SearchStatus,
    TrialStatus,
)
from docs import python_reference, rest, routes

DOCS = Path(__file__).parent
PREFIX = "NETMORPH_"
#: The transitions of searches, those by an extension included.
SEARCH_MOVES = SEARCH_SOURCES | {
    SearchStatus.RUNNING: SEARCH_SOURCES[SearchStatus.RUNNING] | EXTENDABLE_SEARCH
}
#: What a program computes when a variable is not set; the comment at the field says what.
COMPUTED = "computed"

#: A field with its comment, which stands behind it or as a line "#: …" above it.
_FIELD = re.compile(
    r"^(?:    #: (?P<above>.+)\n)?    (?P<name>[a-z_]+): .*?(?:  # (?P<behind>.+))?$", re.MULTILINE
)
_INTRODUCTION = """\
# Settings

Written by `make docs` from `api/settings.py` and `worker/settings.py`: change those, not this page.

Every setting is an environment variable. `netmorph up` and the compose file set the required ones;
the variables of the compose file itself, and the settings that it passes on, are in `.env.example`.
A program does not start with a missing or invalid setting: it names the variable and ends. An empty
variable counts as one that is not set. The commands read `NETMORPH_URL`, `NETMORPH_KEY` and
`NETMORPH_DATA_DIR` in place of `--url`, `--key` and `--data-dir`.

For a secret in a file, set the variable with the suffix `_FILE` to the file's path in place of the
variable: `NETMORPH_ADMIN_KEY_FILE=/run/secrets/admin_key`. White space around the value is removed.
"""


def main() -> None:
    """Write the generated pages and parts of pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """The generated files and what stands in them."""
    architecture = DOCS / "architecture.md"
    text = architecture.read_text(encoding="utf-8")
    for name, diagram in state_diagrams().items():
        text = with_part(text, name, diagram)
    reference, security = DOCS / "reference", DOCS / "security.md"
    secured, document = security.read_text(encoding="utf-8"), rest.document()
    return {
        architecture: text,
        security: with_part(secured, "routes and roles", routes.matrix()),
        reference / "settings.md": settings_page(),
        reference / "commands.md": commands_page(),
        reference / "metrics.md": metrics_page(),
        reference / "openapi.json": rest.document_file(document),
        reference / "rest.md": rest.page(document),
        reference / "python.md": python_reference.page(),
    }


def commands_page() -> str:
    """The page of all commands with their arguments and options."""
    command = typer.main.get_command(netmorph.cli.app)
    context = typer.Context(command, info_name="netmorph")
    text = get_docs_for_click(obj=command, ctx=context, name="netmorph", title="Commands")
    lines = [line.rstrip() for line in text.splitlines()]
    introduction = "Written by `make docs` from `netmorph/commands/`: change those, not this page."
    return "\n".join([*lines[:2], introduction, *lines[1:]]).strip() + "\n"


def with_part(page: str, name: str, part: str) -> str:
    """The page with the text between the two markers of this name replaced.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no part {name!r}; expected the lines {begin!r} and {end!r} around it")
    return f"{head}{begin}\n\n{part}\n{end}{tail}"


# --- states -------------------------------------------------------------------------------------


def state_diagrams() -> dict[str, str]:
    """The Mermaid diagrams of the states of searches and trials, by name."""
    return {
        "states of a search": _diagram(SearchStatus.PENDING, SEARCH_MOVES, LIVE_SEARCH),
        "states of a trial": _diagram(TrialStatus.WAITING, TRIAL_SOURCES, LIVE_TRIAL),
    }


def _diagram(
    first: StrEnum,
    sources: Mapping[Any, frozenset[Any]],
    live: frozenset[Any],
) -> str:
    """A state diagram of a transition table that names the sources of each state."""
    states = list(type(first))
    moves = [(source, to) for source in states for to in states if source in sources[to]]
    lines = [f"[*] --> {first}"]
    lines += [f"{source} --> {to}" for source, to in moves]
    lines += [f"{state} --> [*]" for state in states if state not in live]
    body = "".join(f"    {line}\n" for line in lines)
    return f"```mermaid\nstateDiagram-v2\n{body}```\n"


# --- settings -----------------------------------------------------------------------------------


def settings_page() -> str:
    """The reference of all environment variables."""
    api_part = _table("The API process", api.settings.Settings)
    worker_part = _table("A worker", worker.settings.Settings)
    return f"{_INTRODUCTION}\n{api_part}\n{worker_part}"


def _table(title: str, settings: type[BaseSettings]) -> str:
    """A table of the settings of one class, in their order."""
    properties = settings.model_json_schema()["properties"]
    comments = dict(_comments(settings))
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(settings, name)} | {_values(properties[name])} "
        f"| {comments[name]} |"
        for name in settings.model_fields
    ]
    head = "| variable | default | values | meaning |\n| --- | --- | --- | --- |"
    return f"## {title}\n\n{head}\n" + "\n".join(rows) + "\n"


def _comments(settings: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    """The name and the comment of each field, which says what the setting means.

    Raises:
        ValueError: a field has no comment.
    """
    found: dict[str, str] = {}
    for cls in reversed(settings.__mro__):
        if issubclass(cls, BaseSettings) and cls is not BaseSettings:
            found |= _comments_of_file(Path(getsourcefile(cls) or ""))
    for name in settings.model_fields:
        if name not in found:
            raise ValueError(
                f"the setting {name} of {settings.__module__} has no comment: "
                "say in a few words behind it what it means"
            )
        yield name, found[name]


def _comments_of_file(path: Path) -> dict[str, str]:
    matches = _FIELD.finditer(path.read_text(encoding="utf-8"))
    comments = {match["name"]: match["above"] or match["behind"] for match in matches}
    return {name: comment for name, comment in comments.items() if comment}


def _default(settings: type[BaseSettings], name: str) -> str:
    """The default of a field as it would be written in the environment."""
    field = settings.model_fields[name]
    if field.is_required():
        return "required"
    if field.default_factory is not None or isinstance(field.default, Path):
        return COMPUTED
    if field.default is None:
        return "none"
    value = field.get_default()
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty"


def _values(schema: Mapping[str, Any]) -> str:
    """The values that a field takes, in words."""
    if "anyOf" in schema:
        return _values(schema["anyOf"][0])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = {"number": "number", "integer": "whole number", "boolean": "`true`, `false`"}.get(
        schema.get("type", ""), "text"
    )
    limits = [
        f"{words} {schema[key]:,g}"
        for key, words in (
            ("exclusiveMinimum", "above"),
            ("minimum", "at least"),
            ("maximum", "at most"),
        )
        if key in schema
    ]
    return ", ".join([kind, *limits])


# --- metrics ------------------------------------------------------------------------------------

_METRICS = """\
# Metrics

Written by `make docs` from `api/instruments.py`: change that, not this page.

`GET /metrics` of the API process serves them in Prometheus' text format; it needs an API key
([how to read it](../operations/monitoring.md)). There are also the usual metrics of a process,
such as `process_resident_memory_bytes`.
"""
_SOURCES = {
    "database": """\
Read from the database, live objects at most every 5 seconds and ended ones every 60. Every API
process has the same numbers: take the `max` of several.""",
    "process": """\
Counted by each API process since its start: take the `sum` of several. A histogram has the series
`_bucket` (with the label `le`), `_sum` and `_count`.""",
}


def metrics_page() -> str:
    """The reference of all metrics."""
    parts = [
        f"## Of the {source}\n\n{text}\n\n{_metrics(source)}" for source, text in _SOURCES.items()
    ]
    return "\n".join([_METRICS, *parts])


def _metrics(source: str) -> str:
    """A table of the metrics of one source, in their order."""
    head = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"
    return head + "".join(_metric(one) for one in METRICS.values() if one.source == source)


def _metric(metric: Metric) -> str:
    labels = "; ".join(f"`{name}`: {values}" for name, values in metric.labels.items())
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n"


if __name__ == "__main__":
    main()
