"""Disturbances of the load benchmark: pressure on the database, and chaos.

Each cell is a context manager that disturbs the service while workers train; what it changes is put
right at its end. Chaos begins after a fifth of the run, so that there is something to disturb.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg
from sqlalchemy import make_url

from api.load.measure import Service
from netmorph.embedded import EmbeddedPostgres

READERS, IDLE_CONNECTIONS = 4, 300
_PAUSE = 0.2  # seconds between two reads, and between two kills
_QUIET_SHARE = 0.2  # of a run, before chaos begins
#: They live as long as the program: a server that is started in a thread ends with it.
_THREADS = ThreadPoolExecutor(READERS)
_OTHER_BACKENDS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What a cell disturbs, and for how many seconds."""

    service: Service
    postgres: EmbeddedPostgres
    seconds: float

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection:
        """A connection of its own to the database of the service."""
        url = make_url(self.service.engine.url).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=autocommit)


Cell = Callable[[Target], AbstractContextManager[None]]


@contextlib.contextmanager
def idle_transaction(target: Target) -> Iterator[None]:
    """A transaction that has written and then stays idle: nothing can be vacuumed meanwhile."""
    with target.connect(autocommit=False) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute("SELECT pg_current_xact_id(), count(*) FROM trials")
        yield


@contextlib.contextmanager
def readers(target: Target) -> Iterator[None]:
    """Four readers that scan all trials again and again, each in a REPEATABLE READ transaction."""
    with contextlib.ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(_repeated(lambda end: _read(target, end)))
        yield


def _read(target: Target, ended: threading.Event) -> None:
    with target.connect(autocommit=False) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while not ended.wait(_PAUSE):
            connection.execute("SELECT search_id, count(*), avg(value) FROM trials GROUP BY 1")


@contextlib.contextmanager
def nothing(_: Target) -> Iterator[None]:
    """No disturbance: the load itself is another one."""
    yield


@contextlib.contextmanager
def restart(target: Target) -> Iterator[None]:
    """Postgres is shut down and started again."""
    with _later(target, lambda: _restart(target.postgres)):
        yield


def _restart(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    postgres.start()


@contextlib.contextmanager
def crash(target: Target) -> Iterator[None]:
    """Postgres is killed with all its processes, and started again: it recovers from its log."""
    with _later(target, lambda: _crash(target.postgres)):
        yield


def _crash(postgres: EmbeddedPostgres) -> None:
    assert postgres.process is not None
    postgres.process.kill()
    postgres.process.wait()
    postgres.start()


@contextlib.contextmanager
def crashes(target: Target) -> Iterator[None]:
    """Postgres is killed three times."""

    def repeat(ended: threading.Event) -> None:
        for _ in range(3):
            if ended.wait(_QUIET_SHARE * target.seconds):
                return
            _crash(target.postgres)

    with _repeated(repeat):
        yield


@contextlib.contextmanager
def killed_backends(target: Target) -> Iterator[None]:
    """One connection after the other is ended, in the middle of the run."""

    def kill(ended: threading.Event) -> None:
        if ended.wait(_QUIET_SHARE * target.seconds):
            return
        with target.connect() as connection:
            for _ in range(int(_QUIET_SHARE * target.seconds / _PAUSE)):
                connection.execute(_OTHER_BACKENDS)
                if ended.wait(_PAUSE):
                    return

    with _repeated(kill):
        yield


@contextlib.contextmanager
def idle_connections(target: Target) -> Iterator[None]:
    """As many idle connections as the server has room for, at most 300."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):  # the server has no room for more
            for _ in range(IDLE_CONNECTIONS):
                stack.enter_context(target.connect())
        yield


@contextlib.contextmanager
def _later(target: Target, do: Callable[[], None]) -> Iterator[None]:
    """Do something when a fifth of the run is over."""

    def wait(ended: threading.Event) -> None:
        if not ended.wait(_QUIET_SHARE * target.seconds):
            do()

    with _repeated(wait):
        yield


@contextlib.contextmanager
def _repeated(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Work in a thread, which the end of the context tells to end."""
    ended = threading.Event()
    done = _THREADS.submit(work, ended)
    try:
        yield
    finally:
        ended.set()
        done.result()


#: Pressure: at least 0.8 of the baseline is the aim.
PRESSURE: dict[str, Cell] = {
    "idle-transaction": idle_transaction,
    "readers": readers,
    "more-load": nothing,
    "burst": nothing,
}
#: Chaos: at least 0.95 of the baseline within 30 seconds is the aim.
CHAOS: dict[str, Cell] = {
    "restart": restart,
    "killed-backends": killed_backends,
    "idle-connections": idle_connections,
    "crash": crash,
    "crashes": crashes,
}
CELLS = PRESSURE | CHAOS
