"""Real servers for the tests: one PostgreSQL and one Valkey for each test process, emptied by test.

`NETMORPH_TEST_DATABASE_URL` and `NETMORPH_TEST_BROKER_URL` name servers to use instead; the role
of the first must be allowed to create databases, and the second loses the data of one of its
databases for each test process (the URL's own, where tests run in a single process).

With pytest-xdist (`-n 2 --dist loadgroup`) each process has servers, folders and compiled functions
of its own, and one of them runs the tests that start services (see `tests/distribution.py`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from core.protocol.startup import uncollected
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.bucket import BUCKET, KEYS, bucket_server
from tests.distribution import ServicesTogether
from tests.last_use import after_last_use, end_after
from tests.running_service import RunningService

# No example fails for being slow, nor does the drawing of one: the first to need a compiled
# function waits for the compiler, and machines are busy.
settings.register_profile("netmorph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("netmorph")

# Threads that wait for each other at every step of a tiny network take several times longer than
# one alone, as soon as a core is busy elsewhere. Set here, before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test asks for two threads

# Two processes that compile one function for different types can overwrite each other's file in
# numba's cache: each process of pytest-xdist has a cache of its own.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    caches = os.environ.get("NUMBA_CACHE_DIR", Path(__file__).parents[1] / ".pytest_cache/numba")
    os.environ["NUMBA_CACHE_DIR"] = str(Path(caches) / worker)


#: Ends the connections that a test has left open, which may hold locks. The idle ones of engines
#: hold none, and the next test may use them: to connect costs more than most statements.
_DISCONNECTING = """SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND NOT (application_name = 'netmorph' AND state = 'idle')"""


@pytest.hookimpl(optionalhook=True)  # which is unknown with `-p no:xdist`
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ServicesTogether | None:
    """Our distribution in place of xdist's own by groups."""
    return ServicesTogether(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives to the end, and the garbage collector does not look at it.

    It would look a dozen times through a million objects before the first test, and again after.
    """
    with uncollected():
        return (yield)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named after their parameter: their content may differ from process to process."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def servers_directory() -> Iterator[Path]:
    """A folder that the servers' account can enter (pytest's own is root's alone)."""
    directory = Path(tempfile.mkdtemp(prefix="netmorph-tests-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def database_server(servers_directory: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server that forgets at power loss."""
    if url := os.environ.get("NETMORPH_TEST_DATABASE_URL"):
        yield url
        return
    server = EmbeddedPostgres(servers_directory, durable=False)
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def template_database(database_server: str) -> Iterator[str]:
    """The name of a migrated database that tests get copies of."""
    name = _fresh_name("template")
    _execute(database_server, f"CREATE DATABASE {name}")
    environment = os.environ | {"NETMORPH_DATABASE_URL": _with_database(database_server, name)}
    command = [sys.executable, "-P", "-m", "api", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield name
    _execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_database(database_server: str, template_database: str) -> Iterator[str]:
    """The URL of a migrated database for the tests of this process, one after the other."""
    name = _fresh_name("test")
    _execute(database_server, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(database_server, name)
    _execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def empty(shared_database: str) -> Iterator[Callable[[], None]]:
    """The function that deletes the rows of every table, on a connection that is kept.

    It takes a single statement: PostgreSQL checks the references when all rows are gone, so the
    order of the tables does not matter. It takes a thirtieth of the time of a new database.
    """
    query = """SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'"""
    tables = [name for (name,) in _execute(shared_database, query)]
    deleting = f"WITH {', '.join(f'_{name} AS (DELETE FROM {name})' for name in tables)} SELECT"
    connection = _connect(shared_database)

    def delete_rows() -> None:
        nonlocal connection
        try:
            connection.execute(_DISCONNECTING)
        except psycopg.OperationalError:  # a test ends the connections of others
            connection = _connect(shared_database)
            connection.execute(_DISCONNECTING)
        connection.execute(deleting.encode())

    yield delete_rows
    connection.close()


@pytest.fixture
def database_url(shared_database: str, empty: Callable[[], None]) -> str:
    """A migrated database without rows, on which nothing else is at work.

    A test may change rows, but no tables: the next test gets the same database.
    """
    empty()
    return shared_database


@pytest.fixture
def own_database_url(database_server: str, template_database: str) -> Iterator[str]:
    """A migrated database of this test alone, which may replace it."""
    name = _fresh_name("own")
    _execute(database_server, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(database_server, name)
    _execute(database_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """A database of this test alone, without tables."""
    name = _fresh_name("empty")
    _execute(database_server, f"CREATE DATABASE {name}")
    yield _with_database(database_server, name)
    _execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def broker_server(servers_directory: Path) -> Iterator[str]:
    """The URL of a Valkey server."""
    if url := os.environ.get("NETMORPH_TEST_BROKER_URL"):
        yield _with_own_broker_database(url)
        return
    server = EmbeddedValkey(servers_directory)
    yield server.start()
    server.stop()


@pytest.fixture
def broker_url(broker_server: str) -> str:
    """The URL of an empty broker."""
    client = redis.Redis.from_url(broker_server)
    client.flushdb()
    client.close()
    return broker_server


@pytest.fixture
def storage_url(tmp_path: Path) -> str:
    """The URL of an empty storage folder."""
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder.as_uri()


@pytest.fixture(scope="session")
def bucket_server_address() -> Iterator[str]:
    """The address of an S3 server with the bucket of `bucket_url`."""
    with bucket_server() as address:
        yield address


@pytest.fixture
def bucket_url(bucket_server_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket on an S3 server, which this process and its children may use."""
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": bucket_server_address}).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}"


@pytest.hookimpl(trylast=True)  # after its fixtures
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Services end after the last test that uses them."""
    end_after(item)


@pytest.fixture(scope="session")
def service_processes(
    request: pytest.FixtureRequest,
    servers_directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    """The processes of one service, with servers of its own, for the tests that interrupt it.

    Each such test leaves it as it should be by itself: every search ended, no lease.
    """
    servers = servers_directory / "service"
    made = RunningService(
        tmp_path_factory.mktemp("service"),
        EmbeddedPostgres(servers, durable=False),
        EmbeddedValkey(servers),
    )
    after_last_use(request, Path(__file__).parent, made.rest)
    yield made
    made.close()


def _fresh_name(purpose: str) -> str:
    return f"netmorph_{purpose}_{uuid.uuid4().hex[:12]}"


def _with_database(server: str, name: str) -> str:
    """The server's URL with another database."""
    address, _, query = server.partition("?")
    return f"{address.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def _with_own_broker_database(server: str) -> str:
    """The server's URL, with a database of its own for each process of pytest-xdist."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return _with_database(server, worker.removeprefix("gw")) if worker else server


def _execute(server: str, *statements: str) -> list[tuple[Any, ...]]:
    """The rows that the last of these statements returns."""
    with _connect(server) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def _connect(server: str) -> psycopg.Connection:
    """A connection on which each statement is a transaction."""
    address = server.replace("postgresql+psycopg://", "postgresql://")
    return psycopg.connect(address, autocommit=True)
