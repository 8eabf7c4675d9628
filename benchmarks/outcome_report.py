"""What the records of `benchmarks.outcome` come to: errors, ratios, a page.

Notation
    e     test error in %
    se    standard error of a mean over seeds, in %; of one seed that from the test examples
    ratio Netmorph's mean error over that of the best hand-made network with the same recipe, each
          with half a wrong example more, so that no error at all is no division by zero
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


def summary(found: Sequence[Record]) -> Result:
    """The errors by data set, and the geometric mean of the ratios."""
    names = list(dict.fromkeys(record["dataset"] for record in found))
    of_sets = {name: _of_set([r for r in found if r["dataset"] == name]) for name in names}
    ratios = [one["ratio"] for one in of_sets.values() if one["ratio"] is not None]
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios)) if ratios else None
    return {"datasets": of_sets, "geometric_mean_ratio": mean, "commits": ", ".join(commits(found))}


def _of_set(found: Sequence[Record]) -> Result:
    """The mean errors of one data set; the best hand-made network is that of the lowest mean."""
    by: dict[str, list[Record]] = {}
    for record in found:
        by.setdefault(record["contender"], []).append(record)
    means = {name: statistics.fmean(r["error"] for r in some) for name, some in by.items()}
    drawn = {name: mean for name, mean in means.items() if name not in (SEARCH, PLAIN)}
    best = min(drawn, key=drawn.__getitem__) if drawn else None
    half = 50 / found[0]["test_examples"]
    ratio = None
    if best is not None and SEARCH in means:
        ratio = (means[SEARCH] + half) / (means[best] + half)
    return {
        "netmorph": means.get(SEARCH),
        "best_hand_made": None if best is None else means[best],
        "hand_made_plain": means.get(PLAIN),
        "se": {
            "netmorph": _se(by.get(SEARCH, ())),
            "best_hand_made": _se(by.get(best or "", ())),
            "hand_made_plain": _se(by.get(PLAIN, ())),
        },
        "ratio": ratio,
        "ratio_se": None if ratio is None else _ratio_se(by[SEARCH], by[best or ""], half),
        "hand_made": best,
        "seeds": min(len(some) for some in by.values()),
        "failures": sum("failure" in record for record in found),
    }


def _se(found: Sequence[Record]) -> float | None:
    if not found:
        return None
    if len(found) == 1:
        return float(found[0]["se"])
    return statistics.stdev(r["error"] for r in found) / math.sqrt(len(found))


def _ratio_se(ours: Sequence[Record], theirs: Sequence[Record], half: float) -> float | None:
    """To first order, from the standard errors of both means (both see the same test split)."""
    a, b = (statistics.fmean(r["error"] for r in some) + half for some in (ours, theirs))
    x, y = _se(ours), _se(theirs)
    return None if x is None or y is None else a / b * math.hypot(x / a, y / b)


def page(found: Sequence[Record], plot: Path | None, title: str = "Outcome") -> str:
    """The results as Markdown."""
    told = summary(found)
    seconds = sorted({record["seconds"] for record in found})
    lines = [
        f"# {title}: exported networks beside hand-made ones",
        "",
        "Written by `python -m benchmarks.outcome --markdown FILE`. Test errors in %, mean ±",
        "standard error over the seeds (of a single seed: from the number of test examples).",
        f"Budget: {', '.join(f'{one:g}' for one in seconds)} CPU seconds of one core, everything",
        "included. *Hand-made* is the better of two networks that a person would draw first, by",
        "Netmorph's trainer and recipe for the whole of the time on all training examples; *plain*",
        "is the first of them by a loop in single precision (Adam, half a cosine). Data sets with",
        "a star were also used to choose defaults; the others only to judge.",
        f"Code: {told['commits']}.",
        "",
        *([f"![Ratio of errors by data set]({link(plot)})", ""] if plot else []),
        "| data set | Netmorph | hand-made | which | plain | ratio | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(name, one) for name, one in told["datasets"].items()),
        "",
        f"Geometric mean of the ratios: **{number(told['geometric_mean_ratio'], 3)}**.",
        "",
        "## The searches",
        "",
        "| data set | seed | error | parameters | trials | compute in the winner | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_search(record) for record in found if record["contender"] == SEARCH),
        "",
        *_failures(found),
    ]
    return "\n".join(lines)


def link(plot: Path) -> str:
    """The picture's path, relative to `docs/results`, where pages are."""
    return os.path.relpath(plot.resolve(), Path("docs/results").resolve())


def _row(name: str, one: Mapping[str, Any]) -> str:
    star = "" if name in DATA_SETS and DATA_SETS[name].kept_aside else "*"
    cells = [
        f"{number(one[key], 2)} ± {number(one['se'][key], 2)}"
        for key in ("netmorph", "best_hand_made", "hand_made_plain")
    ]
    ratio = f"{number(one['ratio'], 2)} ± {number(one['ratio_se'], 2)}"
    return (
        f"| {name}{star} | {cells[0]} | {cells[1]} | {one['hand_made']} | {cells[2]} | "
        f"{ratio} | {one['seeds']} |"
    )


def _search(record: Record) -> str:
    trials = [one for one in record.get("trials", ()) if one["kind"] == "search"]
    share = record.get("compute_in_winner")
    return (
        f"| {record['dataset']} | {record['seed']} | {record['error']:.2f} | "
        f"{record.get('parameters', 0):,} | {len(trials)} | "
        f"{'-' if share is None else f'{share:.0%}'} | {record['used']:.0f} |"
    )


def _failures(found: Sequence[Record]) -> list[str]:
    """Runs without a network count with the error of the most frequent class."""
    failed = [record for record in found if "failure" in record]
    if not failed:
        return []
    lines = [
        f"- {r['dataset']}, seed {r['seed']}, {r['contender']}: {r['failure']}" for r in failed
    ]
    return ["Runs without a network, which count as the most frequent class:", "", *lines, ""]


def number(value: float | None, digits: int) -> str:
    """The number with so many digits behind the point; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"
