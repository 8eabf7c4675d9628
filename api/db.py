"""The connection to Postgres, and the only place that opens a transaction.

A request or a step of the controller is one `unit_of_work`. The hot path (lease, heartbeat,
epoch, result) is one statement each and runs in `autocommit`.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from api.settings import Settings

T = TypeVar("T")

# A stuck statement or a forgotten transaction must never block others for long.
_LIMITS = (
    "-c timezone=UTC -c statement_timeout=20s -c lock_timeout=5s"
    " -c idle_in_transaction_session_timeout=60s"
)

_WAKE = "wake"


def connect(settings: Settings, pool_size: int = 8) -> Engine:
    """An engine of this process; connections are made when first needed."""
    return create_engine(
        settings.database_url,
        pool_size=pool_size,
        max_overflow=8,
        pool_timeout=2,  # seconds; better a quick 503 than a queue
        pool_recycle=1800,
        connect_args={
            "options": _LIMITS,
            "connect_timeout": 5,
            "application_name": "netmorph",
        },
    )


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
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def migrations_config(database_url: str) -> Config:
    """Alembic's configuration for the installed package `migrations`."""
    spec = importlib.util.find_spec("migrations")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package 'migrations' is not installed beside 'api'")
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def migrate(database_url: str, revision: str = "head") -> None:
    """Upgrade the schema of the database to a revision, by default the newest."""
    command.upgrade(migrations_config(database_url), revision)


def revisions(database_url: str) -> tuple[str | None, str | None]:
    """The revision of the database's schema, and the newest revision."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory.from_config(migrations_config(database_url)).get_current_head()
    return found, newest
