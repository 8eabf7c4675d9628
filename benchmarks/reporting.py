"""The options, the limit to one core, the timing and the printing that all benchmarks share."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.tables import WrongTable

Result = dict[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="measure less, within 50 seconds")
    parser.add_argument("--no-peers", action="store_true", help="measure Netmorph alone")
    return parser


def run(measure: Callable[[argparse.Namespace], Result], options: argparse.Namespace) -> None:
    """Measure on one core and print the results; a file that is no table exits with status 2."""
    try:
        with threadpool_limits(1):
            result = measure(options)
    except WrongTable as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if options.json:
        print(json.dumps(result))
    else:
        for line in _lines(result):
            print(line)


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """The median time of some calls."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _lines(result: Mapping[str, Any], indent: str = "") -> list[str]:
    """A table: names to the left, numbers to the right, parts indented below."""
    lines = []
    for name, found in result.items():
        if isinstance(found, Mapping):
            lines += [f"{indent}{name}", *_lines(found, indent + "  ")]
        else:
            lines.append(f"{indent + name:40} {_cell(found):>12}")
    return lines


def _cell(found: object) -> str:
    if found is None:
        return "-"
    return f"{found:.4g}" if isinstance(found, float) else str(found)
