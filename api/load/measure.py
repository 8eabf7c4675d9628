"""Measures how many results per second the API takes from simulated workers, over HTTP.

Real API processes with authentication, on a database of their own, which is made on the given
server and removed afterwards; and workers on their own connections. Each trial is a result with its
only epoch and a request for the next trial, a lease where the answer has none, and a heartbeat
every ten seconds. Workers offer a number of results per second altogether; more than the service
can take shows how it sheds load. `lost` are results that were acknowledged and are not stored,
`double_counted` are trials that count twice, `leases_expired` leases that ran out although their
worker lived. `cpu_ms` is the CPU time of the API processes for each call of a kind, measured one
kind at a time: it hardly depends on what else the machine does.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import psutil
import psycopg
from sqlalchemy import Engine, make_url, text

from api import db
from api.load import rows
from api.load.client import Connection, SimulatedWorker, Tally
from api.load.options import CALLS, Load
from api.settings import Settings

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 30.0
START_SECONDS = 240.0  # on a machine that is very busy
_COUNTS = text("""
SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
    coalesce(sum(attempt - 1), 0) AS expired,
    (SELECT count(*) FROM (SELECT FROM trials WHERE report_digest IS NOT NULL
        GROUP BY search_id, number HAVING count(*) > 1) AS twice) AS double
FROM trials
""")


@dataclass(frozen=True, slots=True)
class Service:
    """API processes that share a database, each on its own port."""

    engine: Engine
    ports: tuple[int, ...]
    key: str
    processes: tuple[psutil.Process, ...]

    def cpu_seconds(self) -> float:
        """User and system time of the API processes so far, without those of suggestions."""
        times = [one.cpu_times() for one in self.processes]
        return float(sum(one.user + one.system for one in times))


@contextlib.contextmanager
def service(settings: Settings, load: Load) -> Iterator[Service]:
    """Start a service with searches of waiting trials; end it, and remove its database."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(_own_database(settings.database_url))
        db.migrate(url)
        own = settings.model_copy(
            update={"database_url": url, "storage_url": f"file://{folder}/storage"}
        )
        engine = db.connect(own)
        stack.callback(engine.dispose)
        rows.prepare(engine, load.searches, load.trials)
        key = f"netmorph_{secrets.token_urlsafe(32)}"
        ports = tuple(_free_port() for _ in range(load.processes))
        started = [
            stack.enter_context(_api(own, port, key, folder / f"api-{port}.log")) for port in ports
        ]
        yield Service(engine, ports, key, tuple(psutil.Process(one.pid) for one in started))


@contextlib.contextmanager
def _own_database(server: str) -> Iterator[str]:
    """The URL of a new database on a server; what else is there stays untouched."""
    url = make_url(server)
    name = f"netmorph_load_{secrets.token_hex(6)}"
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    _execute(plain, f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(plain, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    """Run a statement on a connection of its own: the server may restart during a measurement."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextlib.contextmanager
def _api(settings: Settings, port: int, key: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An API process; its messages go to the log."""
    environment = os.environ | {
        "NETMORPH_DATABASE_URL": settings.database_url.replace("+psycopg", ""),
        "NETMORPH_BROKER_URL": settings.broker_url,
        "NETMORPH_STORAGE_URL": settings.storage_url,
        "NETMORPH_ADMIN_KEY": f"netmorph_{secrets.token_urlsafe(32)}",
        "NETMORPH_WORKER_KEY": key,
        "NETMORPH_LEASE_SECONDS": str(LEASE_SECONDS),
        "NETMORPH_LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-P", "-m", "api", "serve", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        _await_start(process, port, log)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await_start(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the API answers; raises RuntimeError if it has ended or takes too long."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).is_success:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the API does not answer on port {port}:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def drive(
    on: Service, workers: int, seconds: float, offered: float, *, at_once: bool = False
) -> Tally:
    """Let workers train for these seconds, and end when their last calls are answered.

    With `at_once` all workers report at the same time, again and again.
    """
    tally, ends = Tally(), time.monotonic() + seconds
    simulated = [
        SimulatedWorker(
            connection=Connection(on.ports[number % len(on.ports)], on.key),
            tally=tally,
            ends=ends,
            trial_seconds=workers / offered,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            rng=Random(number),
            at_once=at_once,
        )
        for number in range(workers)
    ]
    await asyncio.gather(*(one.run() for one in simulated))
    return tally


def summary(on: Service, tally: Tally, seconds: float) -> dict[str, Any]:
    """The figures of a run, checked against the database."""
    on.engine.dispose()  # connections from before a restart of the server
    with on.engine.connect() as connection:
        counts = connection.execute(_COUNTS).one()
    results = tally.seconds.get("result", [])
    p50, p99 = (float(np.quantile(results, q)) * 1e3 if results else None for q in (0.5, 0.99))
    busy = sum(tally.statuses[status] for status in (429, 503))
    return {
        "results_per_second": len(results) / seconds,
        "p50_ms": p50,
        "p99_ms": p99,
        "rejected": busy,
        "without_answer": tally.failures,
        "lost": max(0, len(set(tally.accepted)) - int(counts.completed)),
        "double_counted": int(counts.double),
        "leases_expired": int(counts.expired),
    }


async def _calls(on: Service, kinds: Sequence[str]) -> dict[str, float]:
    """Milliseconds of CPU time of the API for one call of each kind, one after the other."""
    connection, tally = Connection(on.ports[0], on.key), Tally()
    worker = SimulatedWorker(connection, tally, time.monotonic() + 600, 0, 1e9, Random(0))
    spent = dict.fromkeys(kinds, 0.0)
    bodies: dict[str, dict[str, Any]] = {
        "heartbeat": {"step": 1},
        "epoch": {"epoch": 1, "seconds": 1.0, "validation_metric": 0.5},
        "result": {"status": "completed", "value": 0.5},
    }
    paths = {"heartbeat": "heartbeat", "epoch": "epochs", "result": "result"}
    orders = []
    began = on.cpu_seconds()
    for _ in range(CALLS):
        identity = worker.identity | {"worker_id": str(uuid4())}
        status, content = await connection.post("/v1/worker/lease", identity)
        assert status == 200, f"the API answered {status} to a request for a lease"
        orders.append(content)
    spent["lease"] = on.cpu_seconds() - began
    decoded = [json.loads(one) for one in orders]
    for kind, body in bodies.items():
        began = on.cpu_seconds()
        for order in decoded:
            lease = {"attempt": order["attempt"], "token": order["token"]}
            path = f"/v1/worker/trials/{order['trial_id']}/{paths[kind]}"
            status, _ = await connection.post(path, lease | body)
            assert status == 200, f"the API answered {status} to a report of kind {kind}"
        spent[kind] = on.cpu_seconds() - began
    spent["result_and_lease"] = await _results_with_leases(on, connection, worker.identity)
    connection.close()
    return {kind: 1e3 * seconds / CALLS for kind, seconds in spent.items()}


async def _results_with_leases(
    on: Service, connection: Connection, identity: dict[str, Any]
) -> float:
    """Seconds of CPU time for results that bring the next order, as one worker sends them."""
    _, content = await connection.post("/v1/worker/lease", identity)
    order, began = json.loads(content), on.cpu_seconds()
    for index in range(CALLS):
        body = {"attempt": order["attempt"], "token": order["token"], "status": "completed"}
        body |= {"value": 0.5} | ({"next": identity} if index < CALLS - 1 else {})
        path = f"/v1/worker/trials/{order['trial_id']}/result"
        status, content = await connection.post(path, body)
        assert status == 200, f"the API answered {status} to a result"
        order = json.loads(content)["next"]
    return on.cpu_seconds() - began


def measure(settings: Settings, load: Load) -> dict[str, Any]:
    """Start a service on the servers of the settings, measure CPU times, then load it."""
    with service(settings, load) as on:
        cpu = asyncio.run(_calls(on, ("lease", "heartbeat", "epoch", "result")))
        tally = asyncio.run(drive(on, load.workers, load.seconds, load.offered))
        return {
            "workers": load.workers,
            "searches": load.searches,
            "processes": load.processes,
            "offered_per_second": load.offered,
            **summary(on, tally, load.seconds),
            "cpu_ms": cpu,
        }
