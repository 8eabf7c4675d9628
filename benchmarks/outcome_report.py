"""Summarises the records of `benchmarks.outcome`: errors, ratios, a page.

Notation
    e     test error in %
    se    standard error of a mean over seeds, in %; for one seed from the number of test examples
    ratio Netmorph's mean error divided by that of the best hand-made network with the same recipe;
          half a wrong example is added to each, so that an error of zero does not divide by zero
"""

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data_sets import DATA_SETS
from benchmarks.records import Record, commits
from benchmarks.reporting import Result

SEARCH, PLAIN = "netmorph", "plain"


def summary(records: Sequence[Record]) -> Result:
    """The errors by data set, and the geometric mean of the ratios."""
    names = list(dict.fromkeys(record["dataset"] for record in records))
    by_set = {name: _set_results([r for r in records if r["dataset"] == name]) for name in names}
    ratios = [one["ratio"] for one in by_set.values() if one["ratio"] is not None]
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios)) if ratios else None
    return {
        "datasets": by_set,
        "geometric_mean_ratio": mean,
        "commits": ", ".join(commits(records)),
    }


def _set_results(records: Sequence[Record]) -> Result:
    """The mean errors of one data set; the best hand-made network has the lowest mean error."""
    runs_of: dict[str, list[Record]] = {}
    for record in records:
        runs_of.setdefault(record["contender"], []).append(record)
    means = {name: statistics.fmean(r["error"] for r in runs) for name, runs in runs_of.items()}
    hand_made = {name: mean for name, mean in means.items() if name not in (SEARCH, PLAIN)}
    best = min(hand_made, key=hand_made.__getitem__) if hand_made else None
    half = 50 / records[0]["test_examples"]
    ratio = ratio_se = None
    if best is not None and SEARCH in means:
        ratio_se = _ratio_se(runs_of[SEARCH], runs_of[best], half)
        ratio = (means[SEARCH] + half) / (means[best] + half)
    return {
        "netmorph": means.get(SEARCH),
        "best_hand_made": None if best is None else means[best],
        "hand_made_plain": means.get(PLAIN),
        "se": {
            "netmorph": _se(runs_of.get(SEARCH, ())),
            "best_hand_made": _se(runs_of.get(best or "", ())),
            "hand_made_plain": _se(runs_of.get(PLAIN, ())),
        },
        "ratio": ratio,
        "ratio_se": ratio_se,
        "hand_made": best,
        "seeds": min(len(runs) for runs in runs_of.values()),
        "failures": sum("failure" in record for record in records),
    }


def _se(records: Sequence[Record]) -> float | None:
    if not records:
        return None
    if len(records) == 1:
        return float(records[0]["se"])
    return statistics.stdev(r["error"] for r in records) / math.sqrt(len(records))


def _ratio_se(ours: Sequence[Record], theirs: Sequence[Record], half: float) -> float | None:
    """The standard error of the ratio, to first order, from those of both means."""
    a, b = (statistics.fmean(r["error"] for r in some) + half for some in (ours, theirs))
    x, y = _se(ours), _se(theirs)
    return None if x is None or y is None else a / b * math.hypot(x / a, y / b)


def page(records: Sequence[Record], plot: Path | None, title: str = "Outcome") -> str:
    """The results as Markdown."""
    results = summary(records)
    budgets = ", ".join(f"{one:g}" for one in sorted({record["seconds"] for record in records}))
    lines = [
        f"# {title}: exported networks compared with hand-made ones",
        "",
        "Written by `python -m benchmarks.outcome --markdown FILE`. Test errors are in %: mean ±",
        "standard error over the seeds. With a single seed, the standard error is computed from",
        "the number of test examples.",
        "",
        f"The budget of each run is {budgets} CPU seconds of one core, everything included.",
        "*Hand-made* is the best of the networks that a person would design first for the data,",
        "trained with Netmorph's trainer and recipe on all training examples for the full budget.",
        "*Plain* is the first of these networks, trained by a plain loop in single precision",
        "(Adam, with a rate that falls along half a cosine). *Ratio* is Netmorph's error divided",
        "by that of the hand-made network, after half a wrong example is added to each; below 1,",
        "Netmorph is better. Data sets with a star were also used to choose defaults; the others",
        "were used only for evaluation.",
        "",
        f"Code: {results['commits']}.",
        "",
        *([f"![Ratio of errors by data set]({link(plot)})", ""] if plot else []),
        "| data set | Netmorph | hand-made | best hand-made network | plain | ratio | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(name, one) for name, one in results["datasets"].items()),
        "",
        f"Geometric mean of the ratios: **{number(results['geometric_mean_ratio'], 3)}**.",
        "",
        "## The searches",
        "",
        "*Compute in the winner* is the share of all seconds of training that went into the",
        "exported network: its own training and that of its ancestors.",
        "",
        "| data set | seed | error | parameters | trials | compute in the winner | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_search_row(record) for record in records if record["contender"] == SEARCH),
        "",
        *_failures(records),
    ]
    return "\n".join(lines)


def link(plot: Path) -> str:
    """The path of the picture, relative to the pages in `docs/results`."""
    return os.path.relpath(plot.resolve(), Path("docs/results").resolve())


def _row(name: str, one: Mapping[str, Any]) -> str:
    star = "" if name in DATA_SETS and DATA_SETS[name].kept_aside else "*"
    cells = [
        _with_se(one[key], one["se"][key])
        for key in ("netmorph", "best_hand_made", "hand_made_plain")
    ]
    ratio = _with_se(one["ratio"], one["ratio_se"])
    return (
        f"| {name}{star} | {cells[0]} | {cells[1]} | {one['hand_made']} | {cells[2]} | "
        f"{ratio} | {one['seeds']} |"
    )


def _with_se(value: float | None, se: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ± {number(se, 2)}"


def _search_row(record: Record) -> str:
    trials = [one for one in record.get("trials", ()) if one["kind"] == "search"]
    share = record.get("compute_in_winner")
    return (
        f"| {record['dataset']} | {record['seed']} | {record['error']:.2f} | "
        f"{record.get('parameters', 0):,} | {len(trials)} | "
        f"{'-' if share is None else f'{share:.0%}'} | {record['used']:.0f} |"
    )


def _failures(records: Sequence[Record]) -> list[str]:
    """The list of runs that exported no network."""
    failed = [record for record in records if "failure" in record]
    if not failed:
        return []
    lines = [
        f"- {r['dataset']}, seed {r['seed']}, {r['contender']}: {r['failure']}" for r in failed
    ]
    return [
        "Runs without a network, which count with the error of predicting the most frequent class:",
        "",
        *lines,
        "",
    ]


def number(value: float | None, digits: int) -> str:
    """The number with this many decimals; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"
