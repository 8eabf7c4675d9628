"""The figures that are promised: Fashion-MNIST by the whole service, 1,000 images by one core.

`python -m benchmarks.paper [--only KEY ...] [--seeds 3]`: `20min` and `2h` run `netmorph search`
as a person would, on this machine's cores and by the wall clock, everything included; `small` is a
search in 10 minutes of one core. No test-time augmentation anywhere. Records are appended to
`--out`; runs that are there are not repeated. The machine should have nothing else to do.
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
class Promise:
    """A budget on a data set, and the error in % that is promised."""

    dataset: str
    contender: str  # "service" or "netmorph"
    seconds: float
    clock: str
    threads: int
    target: float | None
    next_target: float | None = None

    def run(self, seed: int) -> Run:
        """The run with that seed."""
        return Run(
            dataset=self.dataset, seed=seed, contender=self.contender, seconds=self.seconds,
            clock=self.clock, threads=self.threads,
        )  # fmt: skip


PROMISES: Mapping[str, Promise] = {
    "20min": Promise("fashion-mnist", "service", 1_200.0, "wall", CORES, 5.6, 5.2),
    "2h": Promise("fashion-mnist", "service", 7_200.0, "wall", CORES, 4.8, 4.4),
    "small": Promise("fashion-1000", "netmorph", 600.0, "cpu", 1, 12.0),
    "quick": Promise("digits", "netmorph", 15.0, "cpu", 1, None),
}


class ServiceFailed(Exception):
    """The command ended without a result, for the reason given."""


def carry_out(run: Run) -> Record:
    """One search, by the command line or in this process."""
    return service(run) if run.contender == "service" else contenders.netmorph(run)


def service(run: Run) -> Record:
    """`netmorph search` in a data directory of its own; the clock includes its start."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="netmorph-") as folder:
        command = [
            sys.executable, "-m", "netmorph", "search", "--dataset", run.dataset,
            "--minutes", str(run.seconds / 60), "--seed", str(run.seed),
            "--workers", "1", "--json", "--data-dir", f"{folder}/data", "--export", f"{folder}/net",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment(run)
        )
    if not done.stdout.strip():
        raise ServiceFailed(f"netmorph search said: {done.stderr.strip()[-2_000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    used = round(time.monotonic() - began, 1)
    if told["test_accuracy"] is None:
        raise ServiceFailed(f"the search is {told['status']}: {told['reason']}")
    names = ("parameters", "trials_completed", "compute_in_winner", "comparison", "precision")
    return contenders.tested(told["test_accuracy"], told["test_examples"]) | {
        "used": used,
        "seconds_of_search": told["seconds"],
        **{name: told.get(name) for name in names},
    }


def _environment(run: Run) -> dict[str, str]:
    """That of a person: the threads that a benchmark limits are given back."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return kept | {"OMP_NUM_THREADS": str(run.threads)}


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out what is missing; the mean errors beside what is promised."""
    if options.quick:
        vars(options).update(QUICK)
    chosen = {key: PROMISES[key] for key in options.only}
    runs = [
        promise.run(seed) for promise in chosen.values() for seed in experiment.seeds(options)
    ]  # fmt: skip
    found = experiment.records_of(runs, "benchmarks.paper", options)
    told = {key: _told(promise, found) for key, promise in chosen.items()}
    if options.markdown:
        options.markdown.write_text(page(told, found))
    return told


def _told(promise: Promise, found: Sequence[Record]) -> reporting.Result:
    own = [
        record
        for record in found
        if (record["dataset"], record["contender"], record["seconds"])
        == (promise.dataset, promise.contender, promise.seconds)
    ]
    errors = [record["error"] for record in own]
    error = statistics.fmean(errors) if errors else None
    se = statistics.stdev(errors) / math.sqrt(len(errors)) if len(errors) > 1 else None
    return {
        "error": error,
        "se": se if se is not None or not own else own[0]["se"],
        "seeds": len(errors),
        "target": promise.target,
        "next_target": promise.next_target,
        "met": None if error is None or promise.target is None else error < promise.target,
    }


def page(told: reporting.Result, found: Sequence[Record]) -> str:
    """The results as Markdown."""
    lines = [
        "# The promised figures",
        "",
        "Written by `python -m benchmarks.paper --markdown FILE`. Test error of the exported",
        "network in %, mean ± standard error over the seeds; no test-time augmentation. The first",
        "two are",
        f"`netmorph search` on {CORES} cores by the wall clock, start and export included; the",
        f"third is a search in CPU seconds of one core. Code: {', '.join(commits(found))}.",
        "",
        "| what | data set | budget | error | promised | met | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(key, one) for key, one in told.items()),
        "",
        "| what | seed | error | parameters | seconds used |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {r['dataset']}, {r['seconds']:g} s | {r['seed']} | {r['error']:.2f} | "
            f"{r.get('parameters') or 0:,} | {r['used']:.0f} |"
            for r in found
        ),
        "",
    ]
    return "\n".join(lines)


def _row(key: str, one: reporting.Result) -> str:
    promise = PROMISES[key]
    error = "-" if one["error"] is None else f"{one['error']:.2f} ± {one['se']:.2f}"
    met = {True: "yes", False: "no", None: "-"}[one["met"]]
    target = "-" if promise.target is None else f"< {promise.target}"
    return (
        f"| `{key}` | {promise.dataset} | {promise.seconds:g} s of {promise.threads} "
        f"({promise.clock}) | {error} | {target} | {met} | {one['seeds']} |"
    )


def main() -> None:
    """Measure and print."""
    parser = experiment.parser(__doc__, seconds=0.0, seeds=3)
    usual = [key for key in PROMISES if key != "quick"]
    parser.add_argument("--only", nargs="+", choices=list(PROMISES), default=usual, metavar="KEY")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
