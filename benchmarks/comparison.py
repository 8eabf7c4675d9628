"""What the records of several kinds of searches on the same data and seeds come to.

Notation
    error        of the exported network on the test split, in %; mean over seeds and its standard
                 error (of one seed: from the number of test examples)
    difference   to the reference with the same seed, in points; None where no seed is shared
    curves       test error of what would have been exported at a time, mean over seeds
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.outcome_report import link, number
from benchmarks.records import Record, commits
from benchmarks.reporting import Result


def report(
    found: Sequence[Record], reference: str, options: argparse.Namespace, title: str
) -> Result:
    """The errors by data set and contender; writes the page and the plot that were asked for."""
    told = summary(found, reference)
    if options.markdown:
        options.markdown.write_text(page(found, told, reference, options.plot, title))
    if options.plot:
        from benchmarks import curves_plot  # noqa: PLC0415 (needs matplotlib)

        curves_plot.draw(found, options.plot)
    return told


def summary(found: Sequence[Record], reference: str) -> Result:
    """By data set and contender: error, standard error, difference to the reference."""
    return {
        "datasets": {
            name: _of_set([r for r in found if r["dataset"] == name], reference)
            for name in dict.fromkeys(record["dataset"] for record in found)
        },
        "reference": reference,
        "commits": ", ".join(commits(found)),
    }


def _of_set(found: Sequence[Record], reference: str) -> Result:
    by: dict[str, dict[int, Record]] = {}
    for record in found:
        by.setdefault(record["contender"], {})[record["seed"]] = record
    return {name: _of_contender(some, by.get(reference, {})) for name, some in by.items()}


def _of_contender(some: dict[int, Record], base: dict[int, Record]) -> Result:
    errors = [record["error"] for record in some.values()]
    gaps = [record["error"] - base[seed]["error"] for seed, record in some.items() if seed in base]
    single = next(iter(some.values()))["se"]
    return {
        "error": statistics.fmean(errors),
        "se": _se(errors) if len(errors) > 1 else single,
        "difference": statistics.fmean(gaps) if gaps else None,
        "difference_se": _se(gaps),
        "seeds": len(errors),
        "trials": statistics.fmean(len(record.get("trials", ())) for record in some.values()),
        "failures": sum("failure" in record for record in some.values()),
    }


def _se(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def page(
    found: Sequence[Record], told: Result, reference: str, plot: Path | None, title: str
) -> str:
    """The results as Markdown."""
    seconds = sorted({record["seconds"] for record in found})
    lines = [
        f"# {title}",
        "",
        f"Test errors of the exported networks in %, after {_listed(seconds)} CPU seconds of one",
        f"core. *Difference* is that to `{reference}` with the same seeds, in points; ± are",
        "standard errors over the seeds. *Trials* counts the final fit.",
        f"Code: {told['commits']}.",
        "",
        *([f"![Test error by time, with 95 % bands]({link(plot)})", ""] if plot else []),
    ]
    for name, contenders in told["datasets"].items():
        ranked = sorted(contenders.items(), key=lambda item: item[1]["error"])
        lines += [
            f"## {name}",
            "",
            "| contender | error | difference | seeds | trials |",
            "| --- | --- | --- | --- | --- |",
            *(_row(contender, one) for contender, one in ranked),
            "",
        ]
    return "\n".join(lines)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _row(name: str, one: dict[str, Any]) -> str:
    failed = f" ({one['failures']} without a network)" if one["failures"] else ""
    gap = "-" if one["difference"] is None else f"{one['difference']:+.2f}"
    return (
        f"| `{name}`{failed} | {number(one['error'], 2)} ± {number(one['se'], 2)} | "
        f"{gap} ± {number(one['difference_se'], 2)} | {one['seeds']} | {one['trials']:.0f} |"
    )
