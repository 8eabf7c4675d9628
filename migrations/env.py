"""How Alembic reaches the database; used through `api.db.migrate`, also from an installed wheel."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from api.db import NETWORK_LIMITS

_LOCK = 0x6E65746D  # one migration at a time, also where two processes start one


def _migrate() -> None:
    """Run the requested migrations in one transaction, under a lock of its own."""
    url = context.config.get_main_option("sqlalchemy.url")
    if url is None:
        raise ValueError("no database address is set")
    engine = create_engine(url, poolclass=pool.NullPool, connect_args=NETWORK_LIMITS)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()
    engine.dispose()


_migrate()
