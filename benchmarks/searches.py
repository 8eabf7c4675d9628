"""The tables, processes and options that benchmarks of simulated searches share."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks import reporting, tables
from benchmarks.walks import Table

LANDSCAPE = "landscape"  # the made-up landscape instead of a file

T = TypeVar("T")
R = TypeVar("R")


@lru_cache(maxsize=1)
def table_at(path: str) -> Table:
    """The table of a file, read once in each process; raises WrongTable."""
    return Table(tables.read(Path(path)))


def short_name(table: str) -> str:
    """The name of a table in results."""
    return Path(table).name.split(".")[0]


def map_in_processes(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    """The results of all tasks in order, computed in this many processes."""
    if jobs == 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that these benchmarks have."""
    parser = reporting.parser(description)
    parser.add_argument(
        "--table",
        action="append",
        help=f"JSON lines, plain or gzip, or {LANDSCAPE!r}; may be given more than once",
    )
    parser.add_argument("--seeds", type=int, help="searches of each strategy; 20 unless quick")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--markdown", type=Path, help="also write the results to this page")
    return parser
