"""The network between the service and its database loses every packet, for a while."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from api import db
from api.edge import changes
from api.edge.changes import Changes
from api.settings import Settings
from api.store.notifications import CHANGES
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.faults.proxy import Proxy
from tests.running_service import RunningService


def socket_of(database_url: str) -> Path:
    """The socket file of the server at this address."""
    return Path(parse_qs(urlsplit(database_url).query)["host"][0]) / ".s.PGSQL.5432"


def through(proxy: Proxy, database_url: str) -> str:
    """The address of the same database through a proxy."""
    url = urlsplit(database_url)
    return f"{url.scheme}://{url.username}@127.0.0.1:{proxy.port}{url.path}"


def libpq(database_url: str) -> str:
    """The address as psycopg expects it."""
    return database_url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(socket_of(database_url))
    yield proxy
    proxy.close()


def test_a_statement_fails_where_no_packet_arrives_and_the_next_one_gets_a_new_connection(
    database_url, proxy, monkeypatch
) -> None:
    monkeypatch.setattr(db, "ANSWER_SECONDS", 0.3)
    address = through(proxy, database_url)
    engine = db.connect(Settings(database_url=address, broker_url="redis://x", storage_url="x"))
    with engine.connect() as connection, engine.connect() as other:
        assert connection.scalar(text("SELECT 1")) == other.scalar(text("SELECT 1"))
    proxy.drop()
    with engine.connect() as connection, pytest.raises(OperationalError, match="no answer for"):
        connection.execute(text("SELECT 1"))
    proxy.heal()

    assert db.autocommit(engine, lambda c: c.scalar(text("SELECT 2"))) == 2
    engine.dispose()


def test_a_silent_listener_is_recognised(database_url, proxy, monkeypatch) -> None:
    monkeypatch.setattr(db, "ANSWER_SECONDS", 0.3)
    parameters = db.listener_parameters(through(proxy, database_url), "tester")
    with db.ImpatientConnection.connect(autocommit=True, **parameters) as connection:
        connection.execute("LISTEN somewhere")
        proxy.drop()
        assert list(connection.notifies(timeout=0.5)) == []
        with pytest.raises(psycopg.OperationalError, match="no answer for"):
            connection.execute("SELECT 1")


def test_waiting_requests_are_woken_after_the_network_has_forgotten_a_connection(
    database_url, proxy, monkeypatch
) -> None:
    monkeypatch.setattr(changes, "_CHECK_SECONDS", 0.3)
    search, notified = uuid4(), psycopg.connect(libpq(database_url), autocommit=True)

    async def hear(event: asyncio.Event) -> None:
        while not event.is_set():
            notified.execute("SELECT pg_notify(%s, %s)", (CHANGES, str(search)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), 0.1)
        event.clear()

    async def run() -> None:
        listening = Changes(through(proxy, database_url))
        listener = asyncio.create_task(listening.listen())
        with listening.subscribe(search) as event:
            await hear(event)
            proxy.drop()
            proxy.heal()
            await hear(event)
        listener.cancel()
        await asyncio.wait([listener])

    asyncio.run(run())
    notified.close()


class ServiceBehindProxy(RunningService):
    """A service whose processes reach their database through a proxy."""

    def __init__(self, directory: Path, servers: Path) -> None:
        super().__init__(
            directory, EmbeddedPostgres(servers, durable=False), EmbeddedValkey(servers)
        )
        self.direct = self.database_url
        self.proxy = Proxy(socket_of(self.direct))
        self.database_url = through(self.proxy, self.direct)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """The rows that a query returns, past the proxy."""
        with psycopg.connect(libpq(self.direct), autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def close(self) -> None:
        """End everything."""
        super().close()
        self.proxy.close()


@pytest.fixture
def service(servers_directory: Path, tmp_path: Path) -> Iterator[ServiceBehindProxy]:
    service = ServiceBehindProxy(tmp_path, servers_directory / "behind-proxy")
    yield service
    service.close()


@pytest.mark.slow
def test_a_search_goes_on_after_the_network_to_its_database_lost_every_packet(service) -> None:
    service.start_api()
    service.start_worker()
    search_id = service.search(budget={"trials": 200}, parallelism=2)
    service.wait_for_trial(search_id, 2)
    api = service.api.pid
    count = "SELECT count(*) FROM trials"
    before = service.rows(count)[0][0]
    service.proxy.drop()
    service.wait_until(lambda: "no answer for" in service.log("api"), 60)
    assert service.http.get("/healthz").is_success  # a restart would not help
    service.proxy.heal()

    service.wait_until(
        lambda: service.rows("SELECT max(number) FROM trials")[0][0] > before + 2, 60
    )
    assert service.api.pid == api
    assert service.api.is_running()
    service.http.post(f"/v1/searches/{search_id}:stop").raise_for_status()
    service.wait_until(lambda: service.rows("SELECT trial_id FROM leases") == [])
    service.audit_at_rest()
