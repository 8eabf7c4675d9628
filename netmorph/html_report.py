"""The report of a search as one HTML file, which loads nothing and runs no program.

Text of users is escaped by the template.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from netmorph import report, tables
from netmorph.answers import Dataset, Search
from netmorph.charts import svg
from netmorph.formatting import clock
from netmorph.report import TrialSource

_PAGES = Environment(
    loader=PackageLoader("netmorph", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_NUMERIC = frozenset({"no", "value", "parent", "parameters", "latency", "epochs", "time"})

Rows = Sequence[tuple[str, str]]  # labels and texts


class ReportSource(TrialSource, Protocol):
    """Where a report has its trials and figures from: a client, or the service itself."""

    def figure(self, search_id: str, name: str) -> dict[str, Any]:
        """A figure of a search for Plotly."""


def page(client: ReportSource, search: Search, dataset: Rows, request: dict[str, Any]) -> str:
    """The report of a search; `request` is the body of `POST /v1/searches` that repeats it."""
    result = report.summary(client, search, None)
    in_percent = search.get("in_percent", True)
    trials = [tables.cells(trial, in_percent) for trial in client.trials(search["id"])]
    return _PAGES.get_template("report.html").render(
        search=search,
        outcome=[row for row in report.rows(result) if row[0] != "export"],
        lineage=result["lineage"],
        figures=_figures(client, search),
        settings=_settings(search),
        dataset=dataset,
        labels=[*tables.LABELS, *tables.WORDS],
        numeric=_NUMERIC,
        trials=trials,
        request=json.dumps(request, indent=2, ensure_ascii=False),
        version=metadata.version("netmorph"),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _figures(client: ReportSource, search: Search) -> list[tuple[str, Markup]]:
    """The titles and pictures of the figures that have points."""
    metric = search["metric"]
    shown = [("best-so-far", f"Best {metric} so far", f"validation {metric} by trial")]
    if search.get("cost"):
        front = f"Trials that none beats in {metric} and {search['cost']}"
        shown.append(("front", front, f"validation {metric} against {search['cost']}"))
    shown += [
        (
            "learning-curves",
            "Learning curves",
            f"validation {metric} by seconds, of the best trials",
        ),
        ("predictions", "Predicted and observed", f"predicted {metric} of trials by what it was"),
    ]
    pictures = [
        (title, svg(client.figure(search["id"], name), label)) for name, title, label in shown
    ]
    return [(title, picture) for title, picture in pictures if picture]


def _settings(search: Search) -> Rows:
    """What the search was asked for; choices that it made itself are in its trials."""
    groups = ("budget", "training", "bounds", "strategy_options")
    budget, training, bounds, options = (_in_words(search.get(name)) for name in groups)
    texts = {
        "search": search["id"],
        "task": search["task"],
        "strategy": search["strategy"],
        "options": options,
        "seed": str(search["seed"]),
        "at once": f"{search['parallelism']} trial{'s' * (search['parallelism'] > 1)}",
        "budget": budget,
        "training": training,
        "bounds": bounds,
        "starts from": f"network {search['root']}" if search.get("root") else "",
        "created": search.get("created_at", ""),
        "computed for": clock(search["used"]["seconds"]),
    }
    return [(label, text) for label, text in texts.items() if text]


def _in_words(values: object) -> str:
    """The values of an object that are given: "epochs 5, batch size 64"."""
    fields = values if isinstance(values, dict) else {}
    given = {name: value for name, value in fields.items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in given.items())


def _text(value: object) -> str:
    """A value, or the several of a list: "widen and deepen"."""
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def dataset_rows(dataset: Dataset) -> Rows:
    """The labels and texts of a data set."""
    classes = ", ".join(dataset["class_names"])
    train, test = dataset["train_examples"], dataset["test_examples"]
    return [
        ("name", f"{dataset['name']}, version {dataset['version']} ({dataset['id']})"),
        ("shape", " × ".join(map(str, dataset["input_shape"]))),
        (
            "examples",
            f"{train:,} to train, {test:,} to test",
        ),
        ("classes", f"{dataset['classes']}: {classes}"),
        *tables.headlines(dataset["description"]),
    ]
