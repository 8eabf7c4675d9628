"""Files of records: one JSON line per run, appended when the run ends.

By convention a file holds the runs of one state of the code, which `commit` names. A later line for
the same run replaces an earlier one.
"""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One contender on one data set with one seed and one budget."""

    dataset: str
    seed: int
    contender: str
    seconds: float  # of the budget
    clock: str = "cpu"  # "cpu": seconds of one process; "wall"
    threads: int = 1


_FIELDS = tuple(Run.__dataclass_fields__)


def run_of(record: Record) -> Run:
    """The run that a record belongs to."""
    return Run(**{name: record[name] for name in _FIELDS})


def read(path: Path) -> dict[Run, Record]:
    """The records of a file by run, without a cut last line; empty where there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return {run_of(record): record for record in records}


def missing(runs: Iterable[Run], path: Path) -> list[Run]:
    """The runs without a record in the file, in order."""
    recorded = read(path)
    return [run for run in runs if run not in recorded]


def append(path: Path, run: Run, measured: Record) -> Record:
    """Add the record of a run to the file, after a cut last line is removed."""
    record = asdict(run) | measured
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.truncate(_complete_size(path))
        file.write((json.dumps(record, separators=(",", ":")) + "\n").encode())
    return record


def commit() -> str:
    """The state of the code: a short hash, with "-dirty" if files were changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return process.stdout.strip() if process.returncode == 0 else "unknown"


def commits(records: Sequence[Record]) -> list[str]:
    """The states of the code that records come from."""
    return sorted({record.get("commit", "unknown") for record in records})


def _complete_size(path: Path) -> int:
    """Bytes up to the end of the last complete line."""
    return path.read_bytes().rfind(b"\n") + 1
