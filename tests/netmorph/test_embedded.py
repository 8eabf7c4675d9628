"""The embedded servers: they start, store rows, stop, and recover from a killed launcher."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from netmorph import processes, server_files
from netmorph.accounts import Account, can_reach
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from netmorph.errors import LaunchError

LAUNCHER = """
import json, pathlib, sys, time
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
directory = pathlib.Path(sys.argv[1])
postgres, valkey = EmbeddedPostgres(directory, durable=False), EmbeddedValkey(directory)
print(json.dumps([postgres.start(), valkey.start(), postgres.process.pid, valkey.process.pid]))
sys.stdout.flush()
sys.stdin.read()
valkey.stop(), postgres.stop()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory that every account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is stopped at the end, if it is running."""
    server = EmbeddedPostgres(directory, durable=False)
    yield server
    server.stop()


def connect(url: str) -> psycopg.Connection:
    """A connection that commits each statement."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def launcher(directory: Path, **options: object) -> subprocess.Popen[str]:
    """A process that starts both servers and then writes one line."""
    command = [sys.executable, "-P", "-c", LAUNCHER, str(directory)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes, **options)  # type: ignore[call-overload]


def test_rows_outlive_a_restart_of_the_database(postgres: EmbeddedPostgres) -> None:
    with connect(postgres.start()) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
    postgres.stop()
    with connect(postgres.start()) as connection:
        assert connection.execute("SELECT x FROM t").fetchone() == (7,)


def test_a_stopped_database_leaves_no_process(postgres: EmbeddedPostgres, directory: Path) -> None:
    postgres.start()
    assert processes.running_in(directory / "postgres" / "cluster", "postgres")
    postgres.stop()
    assert processes.running_in(directory / "postgres" / "cluster", "postgres") == []


def test_the_files_of_the_database_are_closed_to_others(
    postgres: EmbeddedPostgres, directory: Path
) -> None:
    postgres.start()
    for folder in ("postgres", "sockets"):
        assert stat.S_IMODE((directory / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o711


def test_the_database_listens_on_no_port(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert postgres.process is not None
    kinds = {connection.family.name for connection in psutil.net_connections("inet")
             if connection.pid == postgres.process.pid}  # fmt: skip
    assert kinds == set()


def test_killing_the_launcher_ends_its_servers(directory: Path) -> None:
    with launcher(directory) as process:
        assert process.stdout is not None
        *_, postgres, valkey = json.loads(process.stdout.readline())
        servers = [psutil.Process(postgres), psutil.Process(valkey)]
        process.kill()
    _, alive = psutil.wait_procs(servers, timeout=20)
    assert alive == []


def test_a_start_ends_the_server_of_an_earlier_launcher(
    directory: Path, postgres: EmbeddedPostgres
) -> None:
    forgotten = EmbeddedPostgres(directory, durable=False)
    with connect(forgotten.start()) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
    with connect(postgres.start()) as connection:
        assert connection.execute("SELECT x FROM t").fetchone() == (7,)
    assert forgotten.process is not None
    assert forgotten.process.wait(10) == 0


def test_a_killed_database_keeps_its_commits(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    with connect(server.start()) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    with connect(server.start()) as connection:
        assert connection.execute("SELECT x FROM t").fetchone() == (7,)
    server.stop()


def test_an_old_lock_file_with_the_number_of_another_process_does_not_prevent_a_start(
    postgres: EmbeddedPostgres, directory: Path
) -> None:
    """As after the restart of a container, when process numbers start from 1 again."""
    postgres.start()
    postgres.stop()
    account = server_files.of(directory).account
    lock_file = directory / "postgres" / "cluster" / "postmaster.pid"
    stranger = processes.start(
        ["/bin/sleep", "60"], log=directory / "sleep.log", cwd=directory, account=account
    )
    try:
        lock_file.write_text(
            f"{stranger.pid}\n{lock_file.parent}\n1\n5432\n{directory}\n\n\nready\n"
        )
        postgres.start()
        assert stranger.poll() is None
    finally:
        processes.stop(stranger, how=signal.SIGKILL, grace=5)


def test_an_interrupted_creation_of_the_database_is_repeated(
    postgres: EmbeddedPostgres, directory: Path
) -> None:
    half = server_files.of(directory).folder("postgres") / "cluster.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with connect(postgres.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_database_that_cannot_start_says_why(postgres: EmbeddedPostgres, directory: Path) -> None:
    postgres.start()
    postgres.stop()
    (directory / "postgres" / "cluster" / "postgresql.conf").write_text("nonsense\n")
    with pytest.raises(LaunchError, match=r"postgres ended while starting: (.*)syntax error"):
        postgres.start()


def test_a_data_directory_inside_a_private_folder_keeps_its_permissions(tmp_path: Path) -> None:
    """As root, the servers use another folder; no permission is widened."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    directory = home / ("long" * 20)
    directory.mkdir(mode=0o700)
    server = EmbeddedPostgres(directory, durable=False)
    try:
        with connect(server.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (home, directory)] == [0o700, 0o700]
    finally:
        server.stop()
        if (other := server_files.of(directory).path) != directory:
            shutil.rmtree(other)


def test_an_unprivileged_user_can_start_the_servers(directory: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    options: dict[str, object] = {}
    if os.geteuid() == 0 and can_reach(account, Path(sys.executable)):
        directory.chmod(0o700)
        os.chown(directory, account.uid, account.gid)
        options = {"user": account.uid, "group": account.gid, "extra_groups": [], "cwd": "/"}
    with launcher(directory, **options) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line
        owner = psutil.Process(json.loads(line)[2]).uids().real
        assert owner == (options.get("user") or os.geteuid() or owner)
    assert process.returncode == 0


def test_the_broker_requires_its_password(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    url = server.start()
    try:
        with redis.Redis.from_url(url) as client:
            assert client.ping()
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        port = int(url.rpartition(":")[2].partition("/")[0])
        with (
            redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        assert server.process is not None
        assert url.split(":")[2].partition("@")[0] not in str(
            psutil.Process(server.process.pid).cmdline()
        )
    finally:
        server.stop()


def test_the_broker_has_the_same_address_after_a_restart(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    url = server.start()
    server.stop()
    assert server.start() == url
    server.stop()
