"""What benchmarks of whole searches share: their tables, their processes, their options."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks import reporting, tables
from benchmarks.walks import Table

LANDSCAPE = "landscape"  # in place of a file: the made-up one

T = TypeVar("T")
R = TypeVar("R")


@lru_cache(maxsize=1)
def table_at(path: str) -> Table:
    """The table of a file, read once in each process; raises WrongTable."""
    return Table(tables.read(Path(path)))


def short_name(table: str) -> str:
    """What a table is called in results."""
    return Path(table).name.split(".")[0]


def shared_out(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    """The results of all tasks in order, found in so many processes."""
    if jobs == 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that these benchmarks have."""
    made = reporting.parser(description)
    made.add_argument(
        "--table",
        action="append",
        help=f"JSON lines, plain or gzip, or {LANDSCAPE!r}; may be given more than once",
    )
    made.add_argument("--seeds", type=int, help="searches of each strategy; 20 unless quick")
    made.add_argument("--jobs", type=int, default=1, help="processes")
    made.add_argument("--markdown", type=Path, help="write the results to this page, too")
    return made
