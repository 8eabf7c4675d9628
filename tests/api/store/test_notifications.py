"""Versions and notifications: listeners hear of a change after its commit, once."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.orm import Session

from api.models.searches import Version
from api.store.notifications import CHANGES, WORK, changed, notify_controllers

Heard = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def heard(world: Any) -> Iterator[Heard]:
    """The notifications that have arrived, those of committed transactions included."""
    url = world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        for channel in (CHANGES, WORK):
            connection.execute(f"LISTEN {channel}".encode())

        def collect() -> list[tuple[str, str]]:
            connection.execute("SELECT 1")  # what was committed before has arrived by now
            return sorted((n.channel, n.payload) for n in connection.notifies(timeout=0))

        yield collect


def version(session: Session, search_id: object) -> int:
    return session.get_one(Version, search_id, populate_existing=True).version


def test_a_change_raises_the_version_and_is_heard_after_the_commit(world: Any, heard: Heard):
    search, other = world.search(), world.search()
    heard()
    with world.sessions.begin() as session:
        before = version(session, search), version(session, other)
        changed(session, search)
        assert heard() == []
        assert (version(session, search), version(session, other)) == (before[0] + 1, before[1])
    assert heard() == [(CHANGES, str(search)), (WORK, "")]


def test_a_change_that_is_rolled_back_is_not_heard(world: Any, heard: Heard) -> None:
    search = world.search()
    heard()
    with world.sessions() as session:
        changed(session, search)
        session.rollback()
    assert heard() == []


def test_controllers_can_be_notified_without_a_change(do: Any, heard: Heard) -> None:
    do(notify_controllers)
    assert heard() == [(WORK, "")]
