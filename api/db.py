"""The connection to Postgres, and the only place that opens a transaction.

A request or a step of the controller is one `unit_of_work`. The hot path (lease, heartbeat,
epoch, result) is one statement each and runs in `autocommit`.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Dialect, Engine, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from api.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

V = TypeVar("V")

# A stuck statement or a forgotten transaction must never block others for long.
_LIMITS = (
    "-c timezone=UTC -c statement_timeout=20s -c lock_timeout=5s"
    " -c idle_in_transaction_session_timeout=60s"
)

#: Where packets to the server are dropped, no answer and no error comes. The kernel notices that
#: within 15 s; where a proxy between us and the server keeps the connection open, we do.
NETWORK_LIMITS: dict[str, Any] = {
    "connect_timeout": 5,  # seconds, as the next two
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}
ANSWER_SECONDS = 25.0  # a little longer than the server's own limit for a statement

_WAKE = "wake"
_COMMITTING = "netmorph_committing"  # an option of engines without transactions


class ImpatientConnection(psycopg.Connection[V]):
    """A connection that is closed where the server does not answer in time."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server; raise OperationalError after `ANSWER_SECONDS` without an answer."""
        limited = timeout is None
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if limited else timeout)
        except psycopg.OperationalError as error:
            if limited and type(error) is psycopg.errors._WaitTimeout:
                self.pgconn.finish()
                message = f"the database has sent no answer for {ANSWER_SECONDS:g} s"
                raise psycopg.OperationalError(message) from error
            raise


def connect(settings: Settings, pool_size: int = 8, **options: Any) -> Engine:
    """An engine of this process; connections are made when first needed."""
    engine = create_engine(
        settings.database_url,
        pool_size=pool_size,
        max_overflow=8,
        pool_timeout=2,  # seconds; better a quick 503 than a queue
        pool_recycle=1800,
        connect_args=NETWORK_LIMITS | {"options": _LIMITS, "application_name": "netmorph"},
        **options,
    )
    event.listen(engine, "do_connect", _connect_impatiently)
    return engine


def connect_committing(settings: Settings, pool_size: int) -> Engine:
    """An engine for `autocommit` alone: its connections never have a transaction to end."""
    return connect(
        settings,
        pool_size,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        execution_options={_COMMITTING: True},
    )


def _connect_impatiently(
    dialect: Dialect, record: ConnectionPoolEntry, arguments: Any, parameters: Any
) -> ImpatientConnection[Any]:
    return ImpatientConnection.connect(*arguments, **parameters)


def listener_parameters(database_url: str, name: str) -> dict[str, Any]:
    """How psycopg connects to the database, under this name, to listen for notifications."""
    url = make_url(database_url)
    _, parameters = url.get_dialect()().create_connect_args(url)
    return dict(parameters) | NETWORK_LIMITS | {"application_name": name}


def sessions(engine: Engine) -> sessionmaker[Session]:
    """The maker of sessions for `unit_of_work`."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def unit_of_work(
    maker: sessionmaker[Session], wake: Callable[[], None] = lambda: None
) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on an error.

    `wake` is called after the commit if the transaction called `will_wake`.
    """
    with maker.begin() as session:
        yield session
    if session.info.pop(_WAKE, False):
        wake()


def will_wake(session: Session) -> None:
    """Have the controller woken after the commit, as there may be something to do."""
    session.info[_WAKE] = True


def autocommit(engine: Engine, statement: Callable[[Connection], T]) -> T:
    """Run idempotent statements outside a transaction; once more if the connection was dead.

    A pooled connection may have died with a restarted server. The statements of the hot path
    may be sent twice: the same lease is returned again, a result counts as a duplicate of itself.
    """
    committing = _committing(engine)
    try:
        with committing.connect() as connection:
            return statement(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    with committing.connect() as connection:
        return statement(connection)


@lru_cache(maxsize=4)
def _committing(engine: Engine) -> Engine:
    """The same pool of connections, without transactions."""
    if engine.get_execution_options().get(_COMMITTING):
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _migrations() -> Path:
    """The folder of the installed package `migrations`."""
    spec = importlib.util.find_spec("migrations")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package 'migrations' is not installed beside 'api'")
    return Path(spec.origin).parent


def migrations_config(database_url: str) -> "Config":
    """Alembic's configuration for the installed package `migrations`."""
    # Not above: a service whose schema is up to date, as at most starts, need not import Alembic.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def migrate(database_url: str, revision: str = "head") -> None:
    """Upgrade the schema of the database to a revision, by default the newest."""
    from alembic import command  # noqa: PLC0415 (see `migrations_config`)

    command.upgrade(migrations_config(database_url), revision)


def revisions(database_url: str) -> tuple[str | None, str]:
    """The revision of the database's schema, None without one, and the newest revision.

    Revisions have the names of their files, which begin with ascending numbers.
    """
    engine = create_engine(database_url, poolclass=NullPool, connect_args=NETWORK_LIMITS)
    with engine.connect() as connection:
        has_any = connection.scalar(text("SELECT to_regclass('alembic_version')")) is not None
        query = text("SELECT version_num FROM alembic_version")
        found = connection.scalar(query) if has_any else None
    newest = max(file.stem for file in (_migrations() / "versions").glob("[0-9]*.py"))
    return found, newest
