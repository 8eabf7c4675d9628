"""The page of results of `benchmarks.regret`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import histories, landscape
from benchmarks.predictability import DRAWS, FEW, MOST, Predictability
from benchmarks.searches import LANDSCAPE
from core.similarity.edit_distance import Floats

OURS = "bayesian"
RIVALS = ("random", "bfs", "evolution", "hill-climbing")
TARGETS = {"50": 0.4, "100": 0.25}  # largest ratio of the regret of OURS to that of a rival
_MARKS = ("20", "50", "100", "200")

ByTable = Mapping[str, Mapping[str, Any]]


def mean_and_error(regrets: Floats) -> tuple[Floats, Floats]:
    """The mean over seeds and its standard error: (seeds, n) -> (n,), (n,)"""
    mean = regrets.mean(axis=0)
    if len(regrets) == 1:
        return mean, np.zeros_like(mean)
    return mean, regrets.std(axis=0, ddof=1) / np.sqrt(len(regrets))


def ratios(facts: Mapping[str, Any], mark: str) -> dict[str, float | None]:
    """The regret of `bayesian` divided by that of each other strategy; None where that is zero."""
    ours = facts[OURS][mark]["mean"]
    return {
        name: ours / one[mark]["mean"] if one[mark]["mean"] > 0 else None
        for name, one in facts.items()
        if isinstance(one, Mapping) and name != OURS
    }


def page(
    by_table: ByTable, plot: str | None = None, bests: Mapping[str, Predictability] | None = None
) -> str:
    """The page in Markdown, with the picture and the facts about the best networks if given."""
    first = next(iter(by_table.values()))
    lines = [
        "# How fast the strategies find good networks",
        "",
        "Written by `python -m benchmarks.regret --markdown FILE`: the best true value less the",
        "true value of the network that looks best so far, mean ± standard error over",
        f"{first['seeds']} searches of each strategy.",
    ]
    if plot is not None:
        lines += ["", f"![Regret by evaluations, with 95 % bands of the mean]({plot})"]
    for table, facts in by_table.items():
        lines += ["", f"## {table}", "", *_table(facts)]
    lines += ["", f"## `{OURS}` against the others", "", *_against(by_table)]
    if bests:
        lines += ["", "## What can be known of the best networks", "", *_bests(bests)]
    if LANDSCAPE in by_table:
        lines += ["", "## What is left to find on the landscape", "", *_left()]
    return "\n".join(lines) + "\n"


def _table(facts: Mapping[str, Any]) -> list[str]:
    judged = {name: one for name, one in facts.items() if isinstance(one, Mapping)}
    marks = [mark for mark in _MARKS if mark in judged[OURS]]
    best_first = sorted(judged, key=lambda name: float(judged[name][marks[-1]]["mean"]))
    return [
        f"| strategy | {' | '.join(marks)} |",
        f"| --- |{' --- |' * len(marks)}",
        *[
            f"| `{name}` | " + " | ".join(_cell(judged[name][mark]) for mark in marks) + " |"
            for name in best_first
        ],
    ]


def _cell(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.4f} ± {found['se']:.4f}"


def _against(by_table: ByTable) -> list[str]:
    """Ratios at the marks that have a target, and whether it is met against each rival."""
    lines = []
    for mark, target in TARGETS.items():
        reached = {name: facts for name, facts in by_table.items() if mark in facts[OURS]}
        if not reached:
            continue
        found = {table: ratios(facts, mark) for table, facts in reached.items()}
        lines += [
            f"Regret at {mark} evaluations over that of the other; the target is at most {target}",
            f"against {', '.join(f'`{rival}`' for rival in RIVALS)}.",
            "",
            f"| table | {' | '.join(f'`{rival}`' for rival in RIVALS)} | met |",
            f"| --- |{' --- |' * (len(RIVALS) + 1)}",
            *[_verdict(table, one, target) for table, one in found.items()],
        ]
        if len(found) > 1:
            lines.append(_verdict("mean of the tables", _mean(list(found.values())), target))
        lines.append("")
    return lines[:-1] or ["There are too few evaluations for a verdict."]


def _verdict(table: str, found: Mapping[str, float | None], target: float) -> str:
    values = [found[rival] for rival in RIVALS]
    cells = ["-" if one is None else f"{one:.2f}" for one in values]
    is_met = [one is not None and one <= target for one in values]
    words = "yes" if all(is_met) else "no" if not any(is_met) else f"{sum(is_met)} of {len(values)}"
    return f"| {table} | {' | '.join(cells)} | {words} |"


def _mean(found: list[dict[str, float | None]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for rival in RIVALS:
        known = [one[rival] for one in found if one.get(rival) is not None]
        means[rival] = float(np.mean(np.array(known, dtype=np.float64))) if known else None
    return means


def _bests(bests: Mapping[str, Predictability]) -> list[str]:
    """How far the best networks are ahead, and their ranks by a surrogate fitted to the others."""
    return [
        "A network's value is in part the chance of its one training, most of all the best value",
        "of many. *Lead* is the difference of the best and the second best value, *chance* the",
        "median standard deviation of a network's values where it was trained more than once.",
        "*Rank* is the rank that the surrogate gives to the best network of the table when it is",
        f"conditioned on {FEW} random others, or on up to {MOST}: the median of {DRAWS} draws, the",
        "least and the greatest. True values are those of the table, in part chance themselves.",
        "",
        f"| table | lead | chance | rank, given {FEW} | given up to {MOST} |",
        "| --- | --- | --- | --- | --- |",
        *[_best(table, one) for table, one in bests.items()],
    ]


def _best(table: str, found: Predictability) -> str:
    chance = "-" if found.chance is None else f"{found.chance:.4f}"
    ranks = " | ".join(_spread(one) for one in (found.ranks_of_few, found.ranks))
    return f"| {table} | {found.lead:.4f} | {chance} | {ranks} |"


def _spread(ranks: Sequence[int]) -> str:
    return f"{np.median(ranks):.0f} ({min(ranks)} to {max(ranks)})"


def _left() -> list[str]:
    """An explanation of why regrets on the landscape stay above zero."""
    few, more = (histories.BRANCHING / (1 + skips) for skips in (2, 5))
    return [
        f"Values come near {landscape.BEST} only with many skips. At the best size and depth",
        f"a network with two skips has a regret of {few:.4f}, with five {more:.4f}, and the",
        f"observed values have noise of {histories.NOISE}. A third skip, and each further one,",
        "gains less than that noise.",
    ]
