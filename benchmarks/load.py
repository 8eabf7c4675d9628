"""Measures how many results per second the API takes from simulated workers, over HTTP.

`python -m benchmarks.load [--workers 1000] [--searches 100] [--seconds 30] [--offered 200]
[--processes 1] [--json]` is `netmorph bench load` on private servers; see `api.load.measure`.
"""

import argparse
from dataclasses import fields

from api.load.options import Load
from benchmarks import reporting
from netmorph.commands import bench


def measure(options: argparse.Namespace) -> reporting.Result:
    """Run the measurement."""
    chosen = {field.name: getattr(options, field.name) for field in fields(Load)}
    return bench.measure({} if options.quick else chosen, quick=options.quick)


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    for field in fields(Load):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
