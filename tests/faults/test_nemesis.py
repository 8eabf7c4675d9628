"""A nemesis with a seed: faults of all kinds at random times, while searches run; then the audit.

Real processes and servers. `NETMORPH_NEMESIS_SEED` repeats a run, `NETMORPH_NEMESIS_SECONDS` makes
it longer.
"""

import os
import signal
from collections.abc import Callable
from random import Random
from time import monotonic, sleep

import psutil
import pytest

from tests.running_service import RunningService

SECONDS = float(os.environ.get("NETMORPH_NEMESIS_SECONDS", "120"))
SEED = int(os.environ.get("NETMORPH_NEMESIS_SEED", "1"))
LONG = 300.0  # seconds, where other processes have the processors as well


class Nemesis:
    """Breaks one part of a service at a time, and repairs what does not repair itself."""

    def __init__(self, service: RunningService, seed: int) -> None:
        self.service, self.rng = service, Random(seed)
        self.log: list[str] = []
        self.faults: list[Callable[[], None]] = [
            self.kill_worker,
            self.terminate_worker,
            self.kill_trainer,
            self.kill_api,
            self.freeze_api,
            self.freeze_worker,
            self.kill_database,
            self.end_connections,
            self.kill_broker,
            self.flush_broker,
            self.block_storage,
            self.terminate_worker_without_api,
        ]

    def strike(self) -> None:
        """Cause a random fault."""
        fault = self.rng.choice(self.faults)
        self.log.append(fault.__name__)
        fault()

    def pause(self) -> None:
        """Let the service work for a while: a random time is what a nemesis is about."""
        sleep(self.rng.uniform(0.2, 4.0))

    def kill_worker(self) -> None:
        self.service.kill_training(self.service.worker)
        self.service.start_worker()

    def terminate_worker(self) -> None:
        self._end_worker()
        self.service.start_worker()

    def terminate_worker_without_api(self) -> None:
        """The worker cannot hand its trial back."""
        self.service.stop_api()
        self._end_worker()
        self.service.start_api()
        self.service.start_worker()

    def kill_trainer(self) -> None:
        for trainer in self.service.worker.children():
            self.service.kill_training(trainer)

    def kill_api(self) -> None:
        self.service.stop_api()
        self.pause()
        self.service.start_api()

    def freeze_api(self) -> None:
        self._freeze(self.service.api)

    def freeze_worker(self) -> None:
        self._freeze(self.service.worker)

    def kill_database(self) -> None:
        self.service.database.process.kill()
        self.service.database.process.wait()
        self.pause()
        self.service.database.start()

    def end_connections(self) -> None:
        self.service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def kill_broker(self) -> None:
        self.service.broker.process.kill()
        self.service.broker.process.wait()
        self.pause()
        self.service.broker.start()

    def flush_broker(self) -> None:
        self.service.flush_broker()

    def block_storage(self) -> None:
        """Nothing can be written below weights, or read from it."""
        weights, away = self.service.storage / "weights", self.service.storage / "away"
        if not weights.is_dir():
            return
        weights.rename(away)
        weights.write_text("in the way")
        self.pause()
        weights.unlink()
        away.rename(weights)

    def _end_worker(self) -> None:
        """Ask the worker to end; one that has hardly begun ends by the signal itself."""
        self.service.worker.terminate()
        self.service.worker.wait(60)
        self.service.note_unreported()

    def _freeze(self, process: psutil.Popen) -> None:
        process.send_signal(signal.SIGSTOP)
        self.pause()
        process.send_signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 1200)
def test_no_sequence_of_faults_loses_a_trial(service) -> None:
    nemesis, searches = Nemesis(service, SEED), []
    ends = monotonic() + SECONDS
    while monotonic() < ends:
        service.start_api()
        service.start_worker()
        running = [one for one in searches if service.status(one) not in {"completed", "failed"}]
        if len(running) < 2:
            searches.append(service.search(budget={"trials": 6}, parallelism=2))
        nemesis.pause()
        nemesis.strike()
        service.start_api()  # waits until it is ready
    service.start_api()
    service.start_worker()
    for search_id in searches:
        service.wait_until(
            lambda one=search_id: service.status(one) in {"completed", "failed"}, LONG
        )
        found = service.get(search_id)
        has_used_its_attempts = "the final fit is" in found["reason"]  # three deaths of its worker
        is_well = found["status"] == "completed" or has_used_its_attempts
        assert is_well, (SEED, nemesis.log, found["reason"])
    service.audit_at_rest()
