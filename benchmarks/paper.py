"""Measures the target figures: Fashion-MNIST by the service, 1,000 images by one core.

`python -m benchmarks.paper [--only KEY ...] [--seeds 3]`: `20min` and `2h` run `netmorph search`
as a user would, on this machine's cores and by the wall clock, everything included; `small` is a
search in 10 minutes of one core. There is no test-time augmentation. Records are appended to
`--out`; runs that have a record are not repeated. The machine should be idle otherwise.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from benchmarks import contenders, experiment, reporting
from benchmarks.environments import ROOT
from benchmarks.records import Record, Run, commits

CORES = 2
QUICK = {"seeds": 1, "only": ["quick"]}


@dataclass(frozen=True, slots=True)
class Target:
    """A budget on a data set, and the target for the error in %."""

    dataset: str
    contender: str  # "service" or "netmorph"
    seconds: float
    clock: str
    threads: int
    error: float | None
    next_error: float | None = None

    def run(self, seed: int) -> Run:
        """The run with that seed."""
        return Run(
            dataset=self.dataset, seed=seed, contender=self.contender, seconds=self.seconds,
            clock=self.clock, threads=self.threads,
        )  # fmt: skip


TARGETS: Mapping[str, Target] = {
    "20min": Target("fashion-mnist", "service", 1_200.0, "wall", CORES, 5.6, 5.2),
    "2h": Target("fashion-mnist", "service", 7_200.0, "wall", CORES, 4.8, 4.4),
    "small": Target("fashion-1000", "netmorph", 600.0, "cpu", 1, 12.0),
    "quick": Target("digits", "netmorph", 15.0, "cpu", 1, None),
}


class ServiceFailed(Exception):
    """The command ended without a result; the message says why."""


def carry_out(run: Run) -> Record:
    """Carry out one search, by the command line or in this process."""
    return service(run) if run.contender == "service" else contenders.netmorph(run)


def service(run: Run) -> Record:
    """Run `netmorph search` in a new data directory; the clock includes its start."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="netmorph-") as folder:
        command = [
            sys.executable, "-m", "netmorph", "search", "--dataset", run.dataset,
            "--minutes", str(run.seconds / 60), "--seed", str(run.seed),
            "--workers", "1", "--json", "--data-dir", f"{folder}/data", "--export", f"{folder}/net",
        ]  # fmt: skip
        process = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment(run)
        )
    if not process.stdout.strip():
        raise ServiceFailed(f"netmorph search printed no result: {process.stderr.strip()[-2_000:]}")
    output = json.loads(process.stdout.splitlines()[-1])
    used = round(time.monotonic() - began, 1)
    if output["test_accuracy"] is None:
        raise ServiceFailed(f"the search is {output['status']}: {output['reason']}")
    names = ("parameters", "trials_completed", "compute_in_winner", "comparison", "precision")
    return contenders.test_facts(output["test_accuracy"], output["test_examples"]) | {
        "used": used,
        "seconds_of_search": output["seconds"],
        **{name: output.get(name) for name in names},
    }


def _environment(run: Run) -> dict[str, str]:
    """A user's environment: without the limits on threads that a benchmark sets."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return kept | {"OMP_NUM_THREADS": str(run.threads)}


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out the missing runs and return the mean errors beside their targets."""
    if options.quick:
        vars(options).update(QUICK)
    chosen = {key: TARGETS[key] for key in options.only}
    runs = [
        target.run(seed) for target in chosen.values() for seed in experiment.seeds(options)
    ]  # fmt: skip
    records = experiment.records_of(runs, "benchmarks.paper", options)
    results = {key: _result(target, records) for key, target in chosen.items()}
    if options.markdown:
        options.markdown.write_text(page(results, records))
    return results


def _result(target: Target, records: Sequence[Record]) -> reporting.Result:
    own = [
        record
        for record in records
        if (record["dataset"], record["contender"], record["seconds"])
        == (target.dataset, target.contender, target.seconds)
    ]
    errors = [record["error"] for record in own]
    error = statistics.fmean(errors) if errors else None
    se = statistics.stdev(errors) / math.sqrt(len(errors)) if len(errors) > 1 else None
    return {
        "error": error,
        "se": se if se is not None or not own else own[0]["se"],
        "seeds": len(errors),
        "target": target.error,
        "next_target": target.next_error,
        "met": None if error is None or target.error is None else error < target.error,
    }


def page(results: reporting.Result, records: Sequence[Record]) -> str:
    """The results as Markdown."""
    lines = [
        "# The target figures",
        "",
        "Written by `python -m benchmarks.paper --markdown FILE`. Test error of the exported",
        "network in %, mean ± standard error over the seeds, without test-time augmentation. The",
        f"first two are `netmorph search` on {CORES} cores by the wall clock, start and export",
        "included; the third is a search in CPU seconds of one core.",
        f"Code: {', '.join(commits(records))}.",
        "",
        "| name | data set | budget | error | target | met | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(key, result) for key, result in results.items()),
        "",
        "| run | seed | error | parameters | seconds used |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {r['dataset']}, {r['seconds']:g} s | {r['seed']} | {r['error']:.2f} | "
            f"{r.get('parameters') or 0:,} | {r['used']:.0f} |"
            for r in records
        ),
        "",
    ]
    return "\n".join(lines)


def _row(key: str, result: reporting.Result) -> str:
    target = TARGETS[key]
    error = "-" if result["error"] is None else f"{result['error']:.2f} ± {result['se']:.2f}"
    met = {True: "yes", False: "no", None: "-"}[result["met"]]
    limit = "-" if target.error is None else f"< {target.error}"
    return (
        f"| `{key}` | {target.dataset} | {target.seconds:g} s of {target.threads} "
        f"({target.clock}) | {error} | {limit} | {met} | {result['seeds']} |"
    )


def main() -> None:
    """Parse the options, measure and print."""
    parser = experiment.parser(__doc__, seconds=0.0, seeds=3)
    defaults = [key for key in TARGETS if key != "quick"]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(TARGETS),
        default=defaults,
        metavar="KEY",
        help="targets to measure",
    )
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
