"""Transactions, dead connections and waking."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from api import db
from api.models.searches import Search
from api.settings import Settings
from api.store.notifications import changed


def rename(world: Any, search: Any, divisor: int) -> None:
    """Rename the search, then fail or not."""
    with db.unit_of_work(world.sessions) as session:
        session.get_one(Search, search).name = "another"
        session.flush()
        changed(session, search)
        assert 1 / divisor


def test_a_unit_of_work_is_all_or_nothing(world: Any) -> None:
    search = world.search()
    with pytest.raises(ZeroDivisionError):
        rename(world, search, 0)
    assert world.get_search(search).name == "a search"
    rename(world, search, 1)
    assert world.get_search(search).name == "another"


def test_the_controller_is_woken_by_changes_after_their_commit_alone(world: Any) -> None:
    search = world.search()
    woken: list[str] = []
    with db.unit_of_work(world.sessions, lambda: woken.append("looked")) as session:
        session.get(Search, search)
    assert woken == []
    with db.unit_of_work(world.sessions, lambda: woken.append("changed")) as session:
        changed(session, search)
        assert woken == []
    assert woken == ["changed"]


def test_a_statement_is_sent_again_where_its_connection_had_died(
    engine: Any, do: Any, database_url: str
) -> None:
    """As all pooled connections have after a restart of the server."""
    address = database_url.replace("+psycopg", "")
    with engine.connect(), engine.connect():
        pass  # two connections in the pool
    with psycopg.connect(address, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert do(lambda c: c.scalar(text("SELECT 1"))) == 1
    assert do(lambda c: c.scalar(text("SELECT 2"))) == 2


def test_an_engine_that_always_commits_changes_no_connection_for_a_call(
    database_url: str,
) -> None:
    """To set and reset how a connection commits costs as much as a heartbeat's statement."""
    settings = Settings(
        database_url=database_url, broker_url="redis://nowhere", storage_url="memory://"
    )
    engine = db.connect_committing(settings, 1)
    assert db.autocommit(engine, lambda connection: connection.engine) is engine
    query = text("SELECT pg_current_xact_id()")
    first, second = (db.autocommit(engine, lambda c: c.scalar(query)) for _ in range(2))
    assert first != second  # each statement is its own transaction
    engine.dispose()


def test_a_wrong_statement_is_not_sent_again(do: Any) -> None:
    sent: list[int] = []

    def wrong(connection: Any) -> None:
        sent.append(1)
        connection.execute(text("SELECT nonsense"))

    with pytest.raises(ProgrammingError):
        do(wrong)
    assert sent == [1]


def test_a_connection_that_dies_again_is_an_error(engine: Any) -> None:
    """It is tried once more, not forever: the client gets a 503."""
    with pytest.raises(DBAPIError):
        db.autocommit(
            engine, lambda c: c.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        )
