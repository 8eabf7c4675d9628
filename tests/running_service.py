"""The complete service as processes that tests can kill, and an audit of its database."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import redis

from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey, free_port
from tests.waiting import PAUSE, wait_for

ADMIN_KEY = "netmorph_" + "a" * 43
WORKER_KEY = "netmorph_" + "w" * 43
LEASE_SECONDS = 3.0
START_SECONDS = 240.0  # for the API to be ready: a busy machine needs a minute for its imports
LONG_PAUSE = 0.25  # seconds between two requests while a search is expected to run for long

#: Promises that hold at any moment; each query returns the rows that break one.
ALWAYS = {
    "a trial is running without a lease, or a lease is of a trial that is not running": """
        SELECT coalesce(trials.id, trial_id) FROM trials FULL JOIN leases ON trial_id = trials.id
        WHERE (status = 'running') IS DISTINCT FROM (trial_id IS NOT NULL)""",
    "a lease is of another attempt than its trial's": """
        SELECT trial_id FROM leases JOIN trials ON trials.id = trial_id
        WHERE leases.attempt <> trials.attempt""",
    "a worker has two leases": """
        SELECT worker_id FROM leases GROUP BY worker_id HAVING count(*) > 1""",
    "a trial has more attempts than it may": "SELECT id FROM trials WHERE attempt > 3",
    "a trial has ended without a time, or has not ended and has one": """
        SELECT id FROM trials
        WHERE (status IN ('waiting', 'running')) <> (ended_at IS NULL)""",
    "a completed trial has no value, no weights or no accepted report": """
        SELECT id FROM trials WHERE status = 'completed' AND kind = 'search'
        AND (value IS NULL OR weights_key IS NULL OR report_digest IS NULL)""",
    "a search has more trials than its budget": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE kind = 'search' GROUP BY searches.id HAVING count(*) > trial_limit""",
    "a search has more trials in flight than it may": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE kind = 'search' AND trials.status IN ('waiting', 'running')
        GROUP BY searches.id HAVING count(*) > parallelism""",
    "the numbers of a search's trials have gaps": """
        SELECT search_id FROM trials WHERE kind <> 'export' GROUP BY search_id
        HAVING min(number) <> 0 OR max(number) <> count(*) - 1
            OR count(DISTINCT number) <> count(*)""",
    "an architecture was suggested twice in a search": """
        SELECT search_id FROM trials
        WHERE kind = 'search' AND (parent_id IS NULL OR morphisms <> '[]')
        GROUP BY search_id, fingerprint HAVING count(*) > 1""",
    "a trial without morphisms, no ensemble, has another architecture than its parent": """
        SELECT child.id FROM trials AS child JOIN trials AS parent ON parent.id = child.parent_id
        WHERE child.morphisms = '[]' AND child.members = '[]'
            AND child.fingerprint <> parent.fingerprint""",
    "a trial inherits from no weights, from a later trial or from another search": """
        SELECT child.id FROM trials AS child
        LEFT JOIN trials AS parent ON parent.id = child.parent_id
        WHERE child.inherited AND (parent.weights_key IS NULL
            OR parent.search_id <> child.search_id
            OR parent.number >= child.number AND child.kind <> 'export')""",
    "an export is not of a trial with the number that it is made of": """
        SELECT child.id FROM trials AS child JOIN trials AS parent ON parent.id = child.parent_id
        WHERE child.kind = 'export' AND child.number <> -1 - parent.number""",
    "an epoch is of an attempt that never began": """
        SELECT epochs.trial_id FROM epochs JOIN trials ON trials.id = epochs.trial_id
        WHERE epochs.attempt > trials.attempt""",
    "the epochs of an attempt have gaps, although each had to be reported": """
        SELECT trial_id FROM epochs JOIN trials ON trials.id = trial_id
        WHERE (hyperparameters->>'epochs')::int <= 100 AND hyperparameters->>'max_seconds' IS NULL
        GROUP BY trial_id, epochs.attempt
        HAVING min(epoch) <> 1 OR max(epoch) <> count(*)""",
    "a later epoch of an attempt took less time than an earlier one": """
        SELECT trial_id FROM (
            SELECT trial_id, seconds < lag(seconds) OVER (
                PARTITION BY trial_id, attempt ORDER BY epoch) AS is_back FROM epochs
        ) AS steps WHERE is_back""",
    "a lease continues after another epoch than its trial's checkpoint had": """
        SELECT trial_id FROM leases JOIN trials ON trials.id = trial_id
        WHERE resumed_epoch > checkpoint_epoch""",
    "a checkpoint is of an attempt that never began, or has no file to read": """
        SELECT id FROM trials WHERE checkpoint_attempt > attempt
            OR (checkpoint_key IS NULL) <> (checkpoint_bytes IS NULL)""",
    "a search has two final fits": """
        SELECT search_id FROM trials WHERE kind = 'final' GROUP BY search_id
        HAVING count(*) > 1""",
}

#: Promises that hold when every search has ended and the workers are idle.
AT_REST = {
    "a search has not ended": "SELECT id FROM searches WHERE ended_at IS NULL",
    "a trial of an ended search has not ended": """
        SELECT id FROM trials WHERE status IN ('waiting', 'running')""",
    "a completed search has no tested final fit, or not all its trials": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE searches.status = 'completed' GROUP BY searches.id
        HAVING count(*) FILTER (WHERE kind = 'final' AND test_metric IS NOT NULL) <> 1
            OR count(*) FILTER (WHERE kind = 'search') <> trial_limit""",
}


class RunningService:
    """The service: a database, a broker, an API process and a worker process."""

    def __init__(self, directory: Path, database: EmbeddedPostgres, broker: EmbeddedValkey) -> None:
        self.directory = directory
        self.database = database
        self.broker = broker
        self.database_url = database.start()
        self.broker_url = broker.start()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.storage = directory / "storage"
        self.storage.mkdir()
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
            timeout=60,
            trust_env=False,
        )
        self.api: psutil.Popen | None = None
        self.worker: psutil.Popen | None = None
        self.others: list[psutil.Popen] = []  # workers and API processes beside them
        self._connection: psycopg.Connection | None = None
        #: Variables that a test adds for programs that start from now on, by their first word.
        self.environment: dict[str, dict[str, str]] = {"api": {}, "worker": {}}
        #: Checkpoints that a worker stored and could not report; a later sweep removes them.
        self.unreported: set[str] = set()

    # --- processes ---

    def start_api(self) -> None:
        """Start the API process unless it is running, and wait until it is ready."""
        if self.api is None:
            assert self._start("api", "migrate").wait(START_SECONDS) == 0, self.log("api")
        if self.api is None or not _runs(self.api):
            port = self.url.rpartition(":")[2]
            self.api = self._start("api", "serve", "--host", "127.0.0.1", "--port", port)
        self.wait_until(self._is_ready, START_SECONDS)

    def start_worker(self) -> None:
        """Start the worker process unless it is running."""
        if self.worker is None or not _runs(self.worker):
            self.worker = self._start("worker")

    def stop_worker(self) -> None:
        """Ask the worker to end, and wait until it has."""
        if self.worker is not None and _runs(self.worker):
            self.worker.terminate()
            assert self.worker.wait(60) == 0
            if not _runs(self.api):
                self.note_unreported()

    def rest(self) -> None:
        """End the API process and the worker until a test needs them: idle, they still compute."""
        self.stop_worker()
        if self.api is not None and _runs(self.api):
            self.api.terminate()
            self.api.wait(60)

    def start_another_worker(self) -> psutil.Popen:
        """Start a worker beside the first one."""
        self.others.append(self._start("worker"))
        return self.others[-1]

    def start_another_api(self, port: int) -> psutil.Popen:
        """Start an API process on another port beside the first one."""
        self.others.append(self._start("api", "serve", "--host", "127.0.0.1", "--port", str(port)))
        return self.others[-1]

    def stop_api(self) -> None:
        """Kill the API process."""
        assert self.api is not None
        self.api.kill()
        self.api.wait()

    def trainer(self) -> psutil.Process:
        """The worker's trainer process."""
        (trainer,) = self.wait_until(self.worker.children)
        return trainer

    def kill_training(self, process: psutil.Process) -> None:
        """Kill a trainer, or a worker and with it its trainer; wait until they have ended."""
        children = process.children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, 5)
        assert alive == [], "a trainer ends with its worker"
        self.note_unreported()

    def note_unreported(self) -> None:
        """Note the checkpoints that no row names, after the end of a process that stores them."""
        named = "SELECT checkpoint_key FROM trials UNION SELECT blob_key FROM discarded"
        known = {key.rpartition("/")[2] for (key,) in self.rows(named) if key is not None}
        self.unreported |= set(self.checkpoints()) - known

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(ProcessLookupError):
            self.broker.process.send_signal(signal.SIGCONT)
        for process in (*self.others, self.worker, self.api):
            if process is not None and _runs(process):
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait(30)
        self.http.close()
        if self._connection is not None:
            self._connection.close()
        self.broker.stop()
        self.database.stop()

    def _start(self, *command: str) -> psutil.Popen:
        environment = (
            os.environ
            | {
                "NETMORPH_DATABASE_URL": self.database_url,
                "NETMORPH_BROKER_URL": self.broker_url,
                "NETMORPH_STORAGE_URL": self.storage.as_uri(),
                "NETMORPH_ADMIN_KEY": ADMIN_KEY,
                "NETMORPH_WORKER_KEY": WORKER_KEY,
                "NETMORPH_API_URL": self.url,
                "NETMORPH_WORKER_NAME": "tester",
                "NETMORPH_DEVICE": "cpu",
                "NETMORPH_THREADS": "1",
                "NETMORPH_PRECISION": "fp32",  # so that each trainer computes the same
                "NETMORPH_CACHE_DIR": str(self.directory / "cache"),
                "NETMORPH_LEASE_SECONDS": str(LEASE_SECONDS),
                "NETMORPH_HEARTBEAT_SECONDS": "0.1",
                "NETMORPH_POLL_SECONDS": "0.5",
                "NETMORPH_CHECKPOINT_SECONDS": "0.1",
                "NETMORPH_RECONCILE_SECONDS": "0.3",
                "NETMORPH_LEADER_SECONDS": "1.5",
                "NETMORPH_TRIALS_PER_TRAINER": "1000",
                "OMP_NUM_THREADS": "1",
            }
            | self.environment[command[0]]
        )
        with (self.directory / f"{command[0]}.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-P", "-m", *command],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _is_ready(self) -> bool:
        assert _runs(self.api), self.log("api")
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def log(self, name: str) -> str:
        """The end of a process's log; empty before its first start."""
        file = self.directory / f"{name}.log"
        return file.read_text()[-4000:] if file.exists() else ""

    # --- searches ---

    def search(self, **changes: Any) -> str:
        """Create a short search on digits; return its id."""
        body = {
            "dataset": "digits",
            "budget": {"trials": 3},
            "strategy": "random",
            "training": {"epochs": 6, "final_epochs": 2, "batch_size": 128},
            "bounds": {"parameters": 10_000},  # half a second or less for a trial
        }
        answer = self.http.post("/v1/searches", json=body | changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, search_id: str) -> dict[str, Any]:
        """The search as the REST interface shows it."""
        answer = self.http.get(f"/v1/searches/{search_id}")
        answer.raise_for_status()
        return dict(answer.json())

    def status(self, search_id: str) -> str:
        """The status of the search; `unknown` while no service answers."""
        try:
            return str(self.get(search_id)["status"])
        except (httpx.TransportError, httpx.HTTPStatusError):
            return "unknown"

    def in_training(self, search_id: str, number: int = 0) -> tuple[str, int] | None:
        """Id and attempt of a trial that is training, with this number or a later one; or None."""
        rows = self.rows(
            "SELECT trials.id, trials.attempt FROM trials JOIN leases ON trial_id = trials.id"
            " WHERE search_id = %s AND number >= %s AND step > 0",
            search_id,
            number,
        )
        return (str(rows[0][0]), rows[0][1]) if rows else None

    def wait_for_trial(self, search_id: str, number: int) -> None:
        """Wait until a trial from this number on is training, or the search has ended."""
        ended = {"completed", "failed", "stopped"}
        self.wait_until(
            lambda: self.in_training(search_id, number) or self.status(search_id) in ended, 180
        )

    def wait_until_completed(self, search_id: str, seconds: float = 180.0) -> dict[str, Any]:
        """Wait until the search has completed; return it."""
        self.wait_until(
            lambda: self.status(search_id) not in {"pending", "running", "finishing", "unknown"},
            seconds,
            LONG_PAUSE,
        )
        found = self.get(search_id)
        assert found["status"] == "completed", (found["reason"], self.log("worker"))
        return found

    # --- the database ---

    def rows(self, query: str, *values: Any) -> list[Any]:
        """The rows that a query returns.

        The connection lasts until its server ends or a test ends it: tests look many times a
        second, and a new connection costs the machine ten times as much as the query.
        """
        if self._connection is not None:
            with contextlib.suppress(psycopg.OperationalError):
                return self._connection.execute(query.encode(), values).fetchall()
            self._connection.close()
        address = self.database_url.replace("postgresql+psycopg://", "postgresql://")
        self._connection = psycopg.connect(address, autocommit=True)
        return self._connection.execute(query.encode(), values).fetchall()

    def flush_broker(self) -> None:
        """Delete everything in the broker."""
        with redis.Redis.from_url(self.broker_url) as client:
            client.flushall()

    def audit(self) -> None:
        """Check the promises that always hold."""
        for promise, query in ALWAYS.items():
            assert self.rows(query) == [], promise

    def audit_at_rest(self) -> None:
        """Check every promise of a service at rest, and the files that its rows name."""
        self.audit()
        for promise, query in AT_REST.items():
            assert self.rows(query) == [], promise
        wait_for(lambda: self.unreported.issuperset(self.checkpoints()), 90.0, self._unswept)
        for (key,) in self.rows(
            "SELECT weights_key FROM trials WHERE weights_key IS NOT NULL UNION "
            "SELECT export_key FROM trials WHERE export_key IS NOT NULL"
        ):
            data = self.stored(key)
            assert hashlib.sha256(data).hexdigest() in key, f"{key} is damaged"

    def stored(self, key: str) -> bytes:
        """The bytes of a blob in the storage."""
        return (self.storage / key).read_bytes()

    def checkpoints(self) -> list[str]:
        """The names of the files in the checkpoints' folder of the storage."""
        folder = self.storage / "checkpoints"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def wait_until(
        self, condition: Callable[[], Any], seconds: float = 90.0, pause: float = PAUSE
    ) -> Any:
        """Poll a condition until it is true; return its value.

        The conditions are about processes, rows and answers of a service that is being killed: no
        connection lasts on which an event could arrive.
        """
        return wait_for(condition, seconds, self._logs, pause)

    def _unswept(self) -> str:
        """The checkpoints that are left, and what the database knows of them."""
        left = sorted(set(self.checkpoints()) - self.unreported)
        named = self.rows(
            "SELECT id, status, checkpoint_key FROM trials WHERE checkpoint_key <> ''"
        )
        noted = self.rows("SELECT blob_key, discarded_at FROM discarded")
        return f"left: {left}; of trials: {named}; noted: {noted}{self._logs()}"

    def _logs(self) -> str:
        return "".join(f"\n{name}: {self.log(name)}" for name in ("api", "worker"))


def _runs(process: psutil.Popen) -> bool:
    return process.poll() is None
