"""Carrying out runs that are missing from a file of records, each in a process of its own."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from threadpoolctl import threadpool_limits

from benchmarks import data_sets, records, reporting
from benchmarks.environments import ROOT
from benchmarks.records import Record, Run
from core.errors import InvalidDataset

EVIDENCE = ROOT / "benchmarks" / "evidence"


class RunFailed(Exception):
    """A run ended by an error, which its message has."""


def parser(description: str | None, seconds: float, seeds: int) -> argparse.ArgumentParser:
    """The options that all experiments share."""
    made = reporting.parser(description)
    made.add_argument("--seconds", type=float, default=seconds, help="the budget of each run")
    made.add_argument("--datasets", nargs="+", metavar="NAME", help="instead of the usual ones")
    made.add_argument("--seeds", type=int, default=seeds, help="so many, from --first-seed on")
    made.add_argument("--first-seed", type=int, default=0)
    made.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    made.add_argument("--out", type=Path, help="the file of records; what is there is not run")
    made.add_argument("--summary", action="store_true", help="run nothing: tell what is there")
    made.add_argument("--markdown", type=Path, help="write a page of the results")
    made.add_argument("--plot", type=Path, help="draw the results (needs matplotlib)")
    return made


def seeds(options: argparse.Namespace) -> range:
    """The seeds asked for."""
    return range(options.first_seed, options.first_seed + options.seeds)


def installed(names: Sequence[str]) -> Iterator[str]:
    """The data sets that can be loaded here; the others are named with the reason."""
    for name in names:
        try:
            data_sets.load(name)
        except InvalidDataset as error:
            print(f"skipped: {error}", flush=True)
        else:
            yield name


def paired(
    contenders: Sequence[str], options: argparse.Namespace, usual: Sequence[str]
) -> list[Run]:
    """Every contender on every data set with every seed, seed by seed."""
    names = list(installed(options.datasets or usual))
    return [
        Run(dataset=name, seed=seed, contender=contender, seconds=options.seconds)
        for seed in seeds(options)
        for name in names
        for contender in contenders
    ]


def records_of(runs: Sequence[Run], module: str, options: argparse.Namespace) -> list[Record]:
    """The records of the runs, those that are missing carried out first by `module.carry_out`.

    A quick measurement keeps its records nowhere unless it is told where.
    """
    with TemporaryDirectory() as folder:
        name = module.rpartition(".")[2]
        usual = Path(folder) / "quick.jsonl" if options.quick else EVIDENCE / f"{name}.jsonl"
        out = options.out or usual
        if not options.summary:
            carry_out(runs, module, out, options.jobs, quiet=options.json)
        found = records.read(out)
    return [found[run] for run in runs if run in found]


def carry_out(
    runs: Sequence[Run], module: str, out: Path, jobs: int = 1, *, quiet: bool = True
) -> None:
    """Append the records of the runs that are missing, in the order in which they end."""
    left, commit = records.missing(runs, out), records.commit()
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_alone, module, run): run for run in left}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                record = records.append(out, futures[future], future.result() | {"commit": commit})
                if not quiet:
                    print(f"{done} of {len(left)}: {_line(record)}", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _alone(module: str, run: Run) -> Record:
    """What a run measured in a process of its own; raises RunFailed with its complaint."""
    command = [sys.executable, "-m", "benchmarks.experiment", module, json.dumps(asdict(run))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed(f"{run} failed:\n{done.stderr.strip()[-3_000:]}")
    record: Record = json.loads(done.stdout.splitlines()[-1])
    return record


def _carry_out_alone(module: str, run: Run) -> None:
    """Carry out one run in this process, on as many threads as it may have, and print it."""
    with threadpool_limits(run.threads):
        print(json.dumps(import_module(module).carry_out(run)))


def _line(record: Record) -> str:
    failure = f", failed: {record['failure']}" if "failure" in record else ""
    return (
        f"{record['dataset']} seed {record['seed']} {record['contender']}: "
        f"{record['error']:.2f} % after {record['used']:.0f} s{failure}"
    )


if __name__ == "__main__":
    _carry_out_alone(sys.argv[1], Run(**json.loads(sys.argv[2])))
