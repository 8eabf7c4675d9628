"""The page of results of `benchmarks.second_look`."""

from collections.abc import Mapping
from typing import Any

_INTRODUCTION = """\
# What a second look at the best-looking networks is worth

Written by `python -m benchmarks.second_look --markdown FILE`: the regret, in ten-thousandths, of
the winner of searches by `bayesian`, mean ± standard error over {seeds} searches of each table.
Values are observed with noise, as large as that of a table's repeats. The last k evaluations
evaluate the k networks that look best again, and the highest mean of two values wins; with k = 0
the highest single value wins. *Visited* is the regret of the best network evaluated, which no
choice can improve on. *Change* is the paired difference from k = 0 in the same searches."""


def page(by_table: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown."""
    seeds = next(iter(by_table.values()))["seeds"]
    lines = [_INTRODUCTION.format(seeds=seeds)]
    for table, facts in by_table.items():
        lines += [
            "",
            f"## {table}",
            "",
            f"The noise has a standard deviation of {facts['noise']:.4f}.",
        ]
        for mark, cells in facts.items():
            if isinstance(cells, Mapping):
                lines += ["", *_table(mark, cells)]
    return "\n".join(lines) + "\n"


def _table(mark: str, cells: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [
        f"| k, {mark} evaluations | regret | change |",
        "| --- | --- | --- |",
        *[
            f"| {name} | {_amount(one['mean'], one['se'])} "
            f"| {'' if name == '0' else _amount(one['change'], one['change_se'], '+')} |"
            for name, one in cells.items()
        ],
    ]


def _amount(mean: float, error: float, sign: str = "") -> str:
    return f"{round(10_000 * mean):{sign}d} ± {round(10_000 * error)}"
