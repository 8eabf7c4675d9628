"""Measures how many trials per second the controller leases and completes.

`python -m benchmarks.controller [--seconds 10] [--threads 8] [--workers 1000] [--searches 100]`

Simulated workers lease, send a heartbeat and an epoch, and report, as the routes of workers do,
on a private PostgreSQL that flushes to disk. Trials are made by one statement per search instead of
by strategies, so that only the hot path is measured.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from api import db
from api.controller import orders
from api.load.rows import prepare
from api.settings import DatabaseSettings, Settings
from api.store import leases, results
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.reports import EpochReport, Heartbeat
from core.protocol.contracts.results import TrialResult
from core.protocol.states import TrialStatus
from netmorph.embedded import EmbeddedPostgres


class Load:
    """Simulated workers that train trials as fast as they can."""

    def __init__(self, engine: Engine, settings: Settings, workers: int, seconds: float) -> None:
        self.engine = engine
        self.duration = timedelta(seconds=settings.lease_seconds)
        self.attempts = settings.max_attempts
        self.workers = [
            LeaseRequest(worker_id=uuid4(), boot_id=uuid4(), name=f"w{n}", device="cpu")
            for n in range(workers)
        ]
        self.ends = time.monotonic() + seconds
        self.times: dict[str, list[float]] = defaultdict(list)

    def timed(self, name: str, call, *args):
        """Run a statement of the hot path and record the time it took."""
        started = time.perf_counter()
        result = db.autocommit(self.engine, lambda connection: call(connection, *args))
        self.times[name].append(time.perf_counter() - started)
        return result

    def run(self, workers: list[LeaseRequest]) -> None:
        """Let each worker in turn train one trial until the time is up."""
        while time.monotonic() < self.ends:
            for worker in workers:
                if time.monotonic() > self.ends or not self.train(worker):
                    return

    def train(self, worker: LeaseRequest) -> bool:
        """Lease a trial, send one report of each kind and complete it; False where none waits."""
        order = self.timed("lease", orders.lease, worker, self.duration, self.attempts)
        if order is None:
            return False
        lease = {"attempt": order.attempt, "token": order.token}
        beat = Heartbeat(**lease, step=1)
        self.timed("heartbeat", leases.heartbeat, order.trial_id, beat, self.duration)
        epoch = EpochReport(**lease, epoch=1, seconds=1.0, validation_metric=0.5)
        self.timed("epoch", leases.epoch, order.trial_id, epoch, self.duration)
        result = TrialResult(**lease, status=TrialStatus.COMPLETED, value=0.5)
        self.timed("result", results.accept, order.trial_id, result, self.attempts)
        return True


def measure(options: argparse.Namespace, url: str) -> None:
    """Run the load and print its rates and times."""
    settings = Settings(database_url=url, broker_url="redis://nowhere", storage_url="memory://")
    db.migrate(settings.database_url)
    engine = db.connect(settings)
    prepare(engine, options.searches, options.trials)
    load = Load(engine, settings, options.workers, options.seconds)
    shares = [load.workers[n :: options.threads] for n in range(options.threads)]
    threads = [threading.Thread(target=load.run, args=[share]) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, times in load.times.items():
        cuts = statistics.quantiles(times, n=100)
        print(
            f"{name:10} {len(times) / options.seconds:8.0f}/s"
            f"   p50 {cuts[49] * 1e3:6.1f} ms   p99 {cuts[98] * 1e3:6.1f} ms"
        )
    engine.dispose()


def main() -> None:
    """Parse the options and measure on a private server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure")
    parser.add_argument("--threads", type=int, default=8, help="threads that simulate workers")
    parser.add_argument("--workers", type=int, default=1000, help="simulated workers")
    parser.add_argument("--searches", type=int, default=100, help="number of searches")
    parser.add_argument("--trials", type=int, default=100, help="trials of each search")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder))
        url = DatabaseSettings(database_url=server.start()).database_url
        try:
            measure(parser.parse_args(), url)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
