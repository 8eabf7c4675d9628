"""Compare several contenders on the same data sets with the same seeds.

Notation
    error        of the exported network on the test split, in %; mean over seeds and its standard
                 error (for one seed: from the number of test examples)
    difference   to the reference with the same seed, in points; None where no seed is shared
    curves       test error of the network that would be exported at a time, mean over seeds
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import experiment, reporting
from benchmarks.outcome_report import link, number
from benchmarks.records import Record, Run, commits
from benchmarks.reporting import Result

DATASETS = ("fashion-1000", "emoji", "mnist1d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The contenders of an experiment, and the reference that they are compared with."""

    module: str  # its `carry_out` carries out one run
    title: str
    reference: str
    contenders: Sequence[str]
    quick_contenders: Sequence[str] | None = None  # None: all
    datasets: Sequence[str] = DATASETS
    applies: Callable[[Run], bool] = lambda run: True  # whether a contender can do the run

    def main(self, description: str | None, *, seeds: int) -> None:
        """Parse the options, measure and print."""
        options = experiment.parser(description, seconds=300.0, seeds=seeds).parse_args()
        reporting.run(self.measure, options)

    def measure(self, options: argparse.Namespace) -> Result:
        """Carry out the missing runs and return the errors by data set and contender."""
        experiment.shorten(options)
        records = experiment.records_of(self._runs(options), self.module, options)
        return report(records, self.reference, options, self.title)

    def _runs(self, options: argparse.Namespace) -> list[Run]:
        contenders = self.contenders
        if options.quick and self.quick_contenders is not None:
            contenders = self.quick_contenders
        runs = experiment.paired(contenders, options, self.datasets)
        return [run for run in runs if self.applies(run)]


def report(
    records: Sequence[Record], reference: str, options: argparse.Namespace, title: str
) -> Result:
    """The errors by data set and contender; also writes the requested page and plot."""
    results = summary(records, reference)
    if options.markdown:
        options.markdown.write_text(page(records, results, options.plot, title))
    if options.plot:
        from benchmarks import curves_plot  # noqa: PLC0415 (needs matplotlib)

        curves_plot.draw(records, options.plot)
    return results


def summary(records: Sequence[Record], reference: str) -> Result:
    """By data set and contender: error, standard error, difference to the reference."""
    return {
        "datasets": {
            name: _by_contender([r for r in records if r["dataset"] == name], reference)
            for name in dict.fromkeys(record["dataset"] for record in records)
        },
        "reference": reference,
        "commits": ", ".join(commits(records)),
    }


def _by_contender(records: Sequence[Record], reference: str) -> Result:
    by_seed: dict[str, dict[int, Record]] = {}
    for record in records:
        by_seed.setdefault(record["contender"], {})[record["seed"]] = record
    base = by_seed.get(reference, {})
    return {name: _contender_results(own, base) for name, own in by_seed.items()}


def _contender_results(own: dict[int, Record], base: dict[int, Record]) -> Result:
    errors = [record["error"] for record in own.values()]
    gaps = [record["error"] - base[seed]["error"] for seed, record in own.items() if seed in base]
    single = next(iter(own.values()))["se"]
    return {
        "error": statistics.fmean(errors),
        "se": _se(errors) if len(errors) > 1 else single,
        "difference": statistics.fmean(gaps) if gaps else None,
        "difference_se": _se(gaps),
        "seeds": len(errors),
        "trials": statistics.fmean(len(record.get("trials", ())) for record in own.values()),
        "failures": sum("failure" in record for record in own.values()),
    }


def _se(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def page(records: Sequence[Record], results: Result, plot: Path | None, title: str) -> str:
    """The results as Markdown."""
    seconds = sorted({record["seconds"] for record in records})
    lines = [
        f"# {title}",
        "",
        f"Test errors of the exported networks in %, after {_listed(seconds)} CPU seconds of one",
        f"core. *Difference* is the difference to `{results['reference']}` with the same seeds, in",
        "points; ± are standard errors over the seeds. *Trials* includes the final fit.",
        f"Code: {results['commits']}.",
        "",
        *([f"![Test error by time, with 95 % bands]({link(plot)})", ""] if plot else []),
    ]
    for name, contenders in results["datasets"].items():
        ranked = sorted(contenders.items(), key=lambda item: item[1]["error"])
        lines += [
            f"## {name}",
            "",
            "| contender | error | difference | seeds | trials |",
            "| --- | --- | --- | --- | --- |",
            *(_row(contender, facts) for contender, facts in ranked),
            "",
        ]
    return "\n".join(lines)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _row(name: str, facts: dict[str, Any]) -> str:
    failed = f" ({facts['failures']} without a network)" if facts["failures"] else ""
    gap = "-" if facts["difference"] is None else f"{facts['difference']:+.2f}"
    return (
        f"| `{name}`{failed} | {number(facts['error'], 2)} ± {number(facts['se'], 2)} | "
        f"{gap} ± {number(facts['difference_se'], 2)} | {facts['seeds']} | {facts['trials']:.0f} |"
    )
