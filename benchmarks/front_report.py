"""The page of results of `benchmarks.front`."""

from collections.abc import Mapping
from typing import Any

OURS, CHANCE = "bayesian", "random"
_INTRODUCTION = """\
# How much of the front a search with a cost finds

Written by `python -m benchmarks.front --markdown FILE`: hypervolume of value against the logarithm
of parameters after some evaluations, mean ± standard error over {seeds} searches each. On the
tables of trained networks it is a share of the hypervolume of all networks of the table, up to the
table's worst value and highest cost; on the landscape it is the area up to a value of 0.8 and a
million parameters. Only `bayesian` knows the cost; `bayesian by value` is the same without it."""


def page(by_table: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown."""
    seeds = next(iter(by_table.values()))["seeds"]
    lines = [_INTRODUCTION.format(seeds=seeds)]
    for table, facts in by_table.items():
        lines += ["", f"## {table}", "", *_table(facts)]
    return "\n".join(lines) + "\n"


def _table(facts: Mapping[str, Any]) -> list[str]:
    searches = {name: one for name, one in facts.items() if isinstance(one, Mapping)}
    marks = list(searches[OURS])
    best_first = sorted(searches, key=lambda name: -float(searches[name][marks[-1]]["mean"]))
    gaps = [gap(searches, mark) for mark in marks]
    return [
        f"| search | {' | '.join(marks)} |",
        f"| --- |{' --- |' * len(marks)}",
        *[
            f"| `{name}` | " + " | ".join(_cell(searches[name][mark]) for mark in marks) + " |"
            for name in best_first
        ],
        "",
        f"`{OURS}` is above `{CHANCE}` by "
        + ", ".join(f"{one:.1f}" for one in gaps)
        + " standard errors of the difference.",
    ]


def gap(searches: Mapping[str, Any], mark: str) -> float:
    """The lead of a search with a cost over chance, in standard errors of the difference."""
    ours, chance = searches[OURS][mark], searches[CHANCE][mark]
    error = (ours["se"] ** 2 + chance["se"] ** 2) ** 0.5
    return float((ours["mean"] - chance["mean"]) / error) if error else float("inf")


def _cell(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.3f} ± {found['se']:.3f}"
