"""Carries out the runs that are missing from a file of records, each in its own process."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks import data_sets, records, reporting
from benchmarks.environments import ROOT
from benchmarks.records import Record, Run
from core.errors import InvalidDataset

EVIDENCE = ROOT / "benchmarks" / "evidence"
QUICK: Mapping[str, Any] = {"datasets": ["digits"], "seconds": 10.0, "seeds": 1, "jobs": 2}


class RunFailed(Exception):
    """A run ended with an error; the message contains it."""


def parser(description: str | None, seconds: float, seeds: int) -> argparse.ArgumentParser:
    """The options that all experiments share."""
    parser = reporting.parser(description)
    parser.add_argument("--seconds", type=float, default=seconds, help="the budget of each run")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="instead of the default ones")
    parser.add_argument(
        "--seeds", type=int, default=seeds, help="number of seeds, from --first-seed on"
    )
    parser.add_argument("--first-seed", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--out", type=Path, help="the file of records; runs in it are not repeated")
    parser.add_argument("--summary", action="store_true", help="run nothing, summarise the records")
    parser.add_argument("--markdown", type=Path, help="write a page of the results")
    parser.add_argument("--plot", type=Path, help="draw the results (needs matplotlib)")
    return parser


def shorten(options: argparse.Namespace, **more: Any) -> None:
    """Replace options by those of a quick run, if one is requested."""
    if options.quick:
        vars(options).update({**QUICK, **more})


def seeds(options: argparse.Namespace) -> range:
    """The requested seeds."""
    return range(options.first_seed, options.first_seed + options.seeds)


def installed(names: Sequence[str]) -> Iterator[str]:
    """The data sets that can be loaded here; prints why the others cannot."""
    for name in names:
        try:
            data_sets.load(name)
        except InvalidDataset as error:
            print(f"skipped: {error}", flush=True)
        else:
            yield name


def paired(
    contenders: Sequence[str], options: argparse.Namespace, defaults: Sequence[str]
) -> list[Run]:
    """Every contender on every data set with every seed, seed by seed."""
    names = list(installed(options.datasets or defaults))
    return [
        Run(dataset=name, seed=seed, contender=contender, seconds=options.seconds)
        for seed in seeds(options)
        for name in names
        for contender in contenders
    ]


def records_of(runs: Sequence[Run], module: str, options: argparse.Namespace) -> list[Record]:
    """The records of the runs, after `module.carry_out` has carried out the missing ones.

    A quick measurement keeps no records unless `--out` is given.
    """
    with TemporaryDirectory() as folder:
        name = module.rpartition(".")[2]
        default = Path(folder) / "quick.jsonl" if options.quick else EVIDENCE / f"{name}.jsonl"
        out = options.out or default
        if not options.summary:
            carry_out(runs, module, out, options.jobs, quiet=options.json)
        by_run = records.read(out)
    return [by_run[run] for run in runs if run in by_run]


def carry_out(
    runs: Sequence[Run], module: str, out: Path, jobs: int = 1, *, quiet: bool = True
) -> None:
    """Carry out the missing runs and append each record when its run ends.

    Raises RunFailed after all have ended, where some failed.
    """
    missing, commit, failures = records.missing(runs, out), records.commit(), []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_carry_out_in_process, module, run): run for run in missing}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                if isinstance(error := future.exception(), RunFailed):
                    failures.append(str(error))
                    continue
                record = records.append(out, futures[future], future.result() | {"commit": commit})
                if not quiet:
                    print(f"{done} of {len(missing)}: {_progress(record)}", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failures:
        raise RunFailed("\n".join(failures))


def _carry_out_in_process(module: str, run: Run) -> Record:
    """The record of a run that has its own process; raises RunFailed with its standard error."""
    command = [sys.executable, "-m", "benchmarks.experiment", module, json.dumps(asdict(run))]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RunFailed(f"{run} failed:\n{process.stderr.strip()[-3_000:]}")
    record: Record = json.loads(process.stdout.splitlines()[-1])
    return record


def _carry_out_here(module: str, run: Run) -> None:
    """Carry out one run in this process, on its number of threads, and print the record."""
    with threadpool_limits(run.threads):
        print(json.dumps(import_module(module).carry_out(run)))


def _progress(record: Record) -> str:
    failure = f", failed: {record['failure']}" if "failure" in record else ""
    return (
        f"{record['dataset']} seed {record['seed']} {record['contender']}: "
        f"{record['error']:.2f} % after {record['used']:.0f} s{failure}"
    )


if __name__ == "__main__":
    _carry_out_here(sys.argv[1], Run(**json.loads(sys.argv[2])))
