"""Measures how busy one search keeps simulated workers, each of whose trials takes a second.

`python -m benchmarks.scaling [--workers 1 4 16 64] [--strategies random bayesian] [--seconds 20]`

A real service on private servers proposes the trials of one search; the workers report over HTTP.
The search may have as many trials in flight as there are workers, or twice as many, so that some
wait for a worker. Efficiency is the share of their time in which workers train: accepted results
for a worker and second. The first seconds are left out. Real workers learn of a new trial by a
notification; these ask for it ten times a second. Workers, service and PostgreSQL share the
machine.
"""

import argparse
import asyncio
import time
from random import Random

from api.load import rows
from api.load.client import Connection, SimulatedWorker, Tally
from api.load.measure import HEARTBEAT_SECONDS, Service, service
from api.load.options import Load
from api.settings import Settings
from benchmarks import reporting
from benchmarks.load import servers

WORKERS, QUICK_WORKERS = (1, 4, 16, 64), (1, 4)
STRATEGIES = ("random", "bayesian")
SECONDS, QUICK_SECONDS = 20.0, 3.0
TRIAL_SECONDS = 1.0  # in the mean, from half to one and a half
POLL_SECONDS = 0.1
IN_FLIGHT = (1, 2)  # trials, for each worker
WARM_UP = 4.0  # seconds, in which the first trials are proposed and workers begin


def measure(options: argparse.Namespace) -> reporting.Result:
    """Run the measurement."""
    workers = QUICK_WORKERS if options.quick else tuple(options.workers)
    seconds = QUICK_SECONDS if options.quick else options.seconds
    with servers() as (settings, _):
        return {
            strategy: {
                f"{count} workers, {each * count} trials in flight": _efficiency(
                    settings, strategy, count, each * count, seconds
                )
                for count in workers
                for each in IN_FLIGHT
            }
            for strategy in options.strategies
        }


def _efficiency(
    settings: Settings, strategy: str, workers: int, in_flight: int, seconds: float
) -> dict[str, float]:
    """The share of time in which these workers train for a search of their own."""
    with service(settings, Load(searches=0)) as on:
        rows.begin_search(on.engine, strategy=strategy, parallelism=in_flight)
        tally, began = Tally(), time.monotonic()
        asyncio.run(_train(on, tally, workers, began + WARM_UP + seconds))
        counted = sum(began + WARM_UP <= at < began + WARM_UP + seconds for at in tally.accepted_at)
        return {
            "results_per_second": counted / seconds,
            "efficiency": counted * TRIAL_SECONDS / (workers * seconds),
        }


async def _train(on: Service, tally: Tally, workers: int, ends: float) -> None:
    simulated = (
        SimulatedWorker(
            connection=Connection(on.ports[0], on.key),
            tally=tally,
            ends=ends,
            trial_seconds=TRIAL_SECONDS,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            rng=Random(number),
            poll_seconds=POLL_SECONDS,
        )
        for number in range(workers)
    )
    await asyncio.gather(*(one.run() for one in simulated))


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=WORKERS)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
