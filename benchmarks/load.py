"""Measures how many results per second the API takes from simulated workers, over HTTP.

`python -m benchmarks.load [--workers 1000] [--searches 100] [--seconds 30] [--offered 200]
[--processes 1] [--json]` is `netmorph bench load` on private servers; see `api.load.measure`.
"""

import argparse

from benchmarks import reporting
from netmorph.commands import bench


def measure(options: argparse.Namespace) -> reporting.Result:
    """Run the measurement."""
    names = ("workers", "searches", "seconds", "offered", "processes")
    chosen = {} if options.quick else {name: getattr(options, name) for name in names}
    return bench.measure(chosen, quick=options.quick)


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--workers", type=int, default=1000, help="simulated workers")
    parser.add_argument("--searches", type=int, default=100, help="searches with waiting trials")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure")
    parser.add_argument("--offered", type=float, default=200.0, help="results per second offered")
    parser.add_argument("--processes", type=int, default=1, help="API processes")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
