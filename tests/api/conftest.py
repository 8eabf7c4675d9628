"""A database with people, data sets and searches in it, and an audit of its rows."""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from api import db, imports
from api.app import connect, create_app, engines
from api.models.leases import Leader, Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import Worker
from api.priorities import RANKS, Priority
from api.roles import Role
from api.settings import Settings
from api.store import datasets, keys, networks, new_searches, searches
from api.store.keys import Caller
from core.data import intake
from core.graph.architecture import Architecture
from core.graph.roots import roots
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.results import TrialResult
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.background import Gate
from tests.api.quick_server import QuickServer
from tests.api.visitors import enter
from tests.api.worker_calls import WorkerCalls

#: Each query finds rows that break an invariant.
INVARIANTS = {
    "a trial runs exactly while it has a lease": """
        SELECT trials.id FROM trials FULL JOIN leases ON leases.trial_id = trials.id
        WHERE (trials.status = 'running') <> (leases.trial_id IS NOT NULL)
            OR leases.attempt <> trials.attempt OR leases.worker_id <> trials.worker_id""",
    "an ended trial has an end, a live one none": """
        SELECT id FROM trials
        WHERE (status IN ('waiting', 'running')) <> (ended_at IS NULL)""",
    "nothing ends before it began": """
        SELECT id FROM trials WHERE ended_at < greatest(created_at, started_at)
        UNION ALL SELECT id FROM searches WHERE ended_at < greatest(created_at, started_at)""",
    "a completed trial was reported": """
        SELECT id FROM trials WHERE status = 'completed' AND report_digest IS NULL""",
    "numbers have no gaps": """
        SELECT searches.id FROM searches
        LEFT JOIN trials ON search_id = searches.id AND kind <> 'export'
        GROUP BY searches.id
        HAVING count(trials.id) <> next_number OR max(number) <> count(trials.id) - 1""",
    "no search made more trials than its budget": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE kind = 'search' GROUP BY searches.id HAVING count(*) > trial_limit""",
    "no search has more trials in flight than it may": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE kind = 'search' AND trials.status IN ('waiting', 'running')
        GROUP BY searches.id HAVING count(*) > parallelism""",
    "no search spent or reserved more epochs than its budget": """
        SELECT searches.id FROM searches JOIN trials ON search_id = searches.id
        WHERE kind = 'search' GROUP BY searches.id
        HAVING sum(CASE WHEN trials.status IN ('waiting', 'running') THEN epochs_reserved
            ELSE epochs_spent END) > epoch_limit""",
    "a parent is an earlier trial of the same search": """
        SELECT trials.id FROM trials JOIN trials AS parent ON parent.id = trials.parent_id
        WHERE parent.search_id <> trials.search_id
            OR parent.number >= trials.number AND trials.kind <> 'export'""",
    "a trial that inherits has a parent with weights": """
        SELECT trials.id FROM trials LEFT JOIN trials AS parent ON parent.id = trials.parent_id
        WHERE trials.inherited AND parent.weights_key IS NULL
            AND (trials.kind <> 'export' OR trials.status IN ('waiting', 'running'))""",
    "an ended search has an end, a live one none": """
        SELECT id FROM searches
        WHERE (status IN ('completed', 'stopped', 'failed')) <> (ended_at IS NOT NULL)""",
    "nothing waits in an ended search": """
        SELECT trials.id FROM trials JOIN searches ON searches.id = search_id
        WHERE trials.status = 'waiting' AND searches.ended_at IS NOT NULL
            AND kind <> 'export'""",
    "a completed search has its tested final fit": """
        SELECT searches.id FROM searches
        LEFT JOIN trials ON search_id = searches.id AND kind = 'final'
        WHERE searches.status = 'completed' AND test_metric IS NULL""",
}

#: Finds the rows that break any invariant, with its name; it may run after any test.
AUDIT = text(
    " UNION ALL ".join(
        f"SELECT '{name}', id FROM ({query}) AS broken" for name, query in INVARIANTS.items()
    )
)


def dataset_spec() -> DatasetSpec:
    return DatasetSpec(
        input_shape=(1, 8, 8),
        classes=10,
        class_names=tuple("0123456789"),
        train_examples=1000,
        test_examples=200,
        dtype="uint8",
        flip=False,
    )


def blob(kind: str = "weights", content: object = None) -> BlobRef:
    sha256 = (uuid4().hex * 2) if content is None else f"{hash(content) % 2**64:064x}"
    return BlobRef(key=f"{kind}/{sha256}.safetensors", sha256=sha256, bytes=10)


class World:
    """People, data sets, searches and trials for tests; every method commits."""

    dataset_spec = staticmethod(dataset_spec)
    blob = staticmethod(blob)

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions = db.sessions(engine)
        self._names = itertools.count()

    def caller(self, role: Role = Role.USER) -> Caller:
        with self.sessions.begin() as session:
            made = keys.create(session, f"somebody {next(self._names)}", role)
        return Caller(made.id, made.name, role)

    def dataset(
        self,
        caller: Caller,
        builtin: bool = False,
        name: str | None = None,
        spec: DatasetSpec | None = None,
    ) -> UUID:
        with self.sessions.begin() as session:
            return datasets.add(
                session,
                caller,
                name=name or f"data {next(self._names)}",
                builtin=builtin,
                spec=spec or dataset_spec(),
                blob=blob("datasets"),
            ).id

    def network(
        self, caller: Caller, architecture: Architecture | None = None, weights: bool = True
    ) -> UUID:
        """An uploaded network that fits the data sets of this world."""
        with self.sessions.begin() as session:
            return networks.add(
                session,
                caller,
                name=f"network {next(self._names)}",
                architecture=architecture or roots(dataset_spec(), Bounds())[0],
                weights=blob() if weights else None,
            ).id

    def search(
        self,
        caller: Caller | None = None,
        status: SearchStatus = SearchStatus.RUNNING,
        deadline: float | None = None,
        dataset_id: UUID | None = None,
        **config: Any,
    ) -> UUID:
        """A search without trials, running unless given another status."""
        caller = caller or self.caller()
        config.setdefault("budget", Budget(trials=100))
        config.setdefault("parallelism", 50)
        with self.sessions.begin() as session:
            search_id = new_searches.add(
                session,
                caller,
                name="a search",
                dataset_id=dataset_id or self.dataset(caller),
                config=SearchConfig(**config),
                bounds=Bounds(),
                trials_deadline=deadline,
            )
            for step in {
                SearchStatus.PENDING: [],
                SearchStatus.FINISHING: [SearchStatus.RUNNING, SearchStatus.FINISHING],
            }.get(status, [SearchStatus.RUNNING, status]):
                searches.move(session, search_id, step)
        return search_id

    def trial(self, search_id: UUID, **values: Any) -> UUID:
        """A waiting trial with a made-up architecture."""
        with self.sessions.begin() as session:
            search = session.get_one(Search, search_id, with_for_update=True)
            columns = {
                "number": search.next_number,
                "morphisms": [],
                "architecture": {"version": 1, "nodes": []},
                "fingerprint": uuid4().hex,
                "layers": 3,
                "parameters": 100,
                "flops": 1000,
                "inherited": False,
                "hyperparameters": {"epochs": 3},
                "epochs_reserved": 3,
                "queue_rank": RANKS[Priority(search.priority)],
            }
            trial = Trial(search_id=search_id, **(columns | values))
            session.add(trial)
            search.next_number += 1
            session.flush()
            return trial.id

    def worker(self, name: str = "worker") -> LeaseRequest:
        return LeaseRequest(
            worker_id=uuid4(), boot_id=uuid4(), name=name, device="cpu", exports=True
        )

    def get(self, trial_id: UUID) -> Trial:
        with self.sessions.begin() as session:
            return session.get_one(Trial, trial_id)

    def get_search(self, search_id: UUID) -> Search:
        with self.sessions.begin() as session:
            return session.get_one(Search, search_id)

    def trials(self, search_id: UUID) -> list[Trial]:
        with self.sessions.begin() as session:
            chosen = select(Trial).where(Trial.search_id == search_id)
            return list(session.scalars(chosen.order_by(Trial.number)))

    def set(self, row: type, row_id: UUID, **values: Any) -> None:
        """Change columns directly, as the passing of time would."""
        key = row.trial_id if row is Lease else row.id  # type: ignore[attr-defined]
        with self.sessions.begin() as session:
            session.execute(update(row).where(key == row_id).values(**values))

    def overdue(self, trial_id: UUID) -> None:
        """Let a lease run out while another worker asks for a trial."""
        self.silent(trial_id)
        with self.sessions.begin() as session:
            asking = self.worker("asking")
            columns = asking.model_dump(exclude={"worker_id", "exports"})
            session.add(Worker(id=asking.worker_id, **columns))

    def forgotten(self, trial_id: UUID) -> None:
        """Let a lease run out while no other worker asks for a trial."""
        self.silent(trial_id)
        with self.sessions.begin() as session:
            session.execute(update(Worker).values(seen_at=text("now() - interval '60 s'")))

    def silent(self, trial_id: UUID) -> None:
        """Let a lease run out, and its holder miss the time to be heard again."""
        past = {
            "heard_at": text("now() - interval '60 s'"),
            "silent_at": text("now() - interval '40 s'"),
            "expires_at": text("now() - interval '30 s'"),
        }
        self.set(Lease, trial_id, **past)
        self.led()

    def led(self, since: str = "1 day") -> None:
        """Let a controller decide, without a gap for that long."""
        began = text(f"now() - interval '{since}'")
        row = insert(Leader).values(
            id=1, holder=uuid4(), expires_at=text("now() + interval '1 h'"), since=began
        )
        with self.sessions.begin() as session:
            session.execute(
                row.on_conflict_do_update(index_elements=[Leader.id], set_={"since": began})
            )

    def audit(self) -> None:
        """Assert every invariant."""
        with self.sessions.begin() as session:
            assert session.execute(AUDIT).all() == []

    @staticmethod
    def result(lease: Any, status: str = "completed", **values: Any) -> TrialResult:
        """A report of how the trial of a lease (or an order) ended."""
        if status == "completed":
            values.setdefault("value", 0.5)
            values.setdefault("weights", blob())
        return TrialResult(
            attempt=lease.attempt, token=lease.token, status=TrialStatus(status), **values
        )


@cache
def lasting_engine(database_url: str) -> Engine:
    """An engine for all tests: to translate a statement costs more than to run it."""
    return db.connect(settings_of(database_url, "redis://nowhere", "memory://"))


@cache
def lasting_engines(database_url: str) -> tuple[Engine, Engine]:
    """The application's engines, for all tests."""
    return engines(settings_of(database_url, "redis://nowhere", "memory://"))


@pytest.fixture
def engine(database_url: str, shared_database: str) -> Iterator[Engine]:
    """The product's engine on the database of this test, with connections of earlier tests."""
    engine = lasting_engine(database_url)
    _check(engine)
    yield engine
    _release(engine, is_shared=database_url == shared_database)


def _check(engine: Engine) -> None:
    """Give up the connections of a pool if an earlier test has ended them."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError:
        engine.dispose()


def _release(engine: Engine, *, is_shared: bool) -> None:
    """Give up the connections of a pool if no later test can use them.

    That is where the database is the test's own, or the test still uses a connection, which is
    ended later.
    """
    if not is_shared or engine.pool.checkedout():  # type: ignore[attr-defined]
        engine.dispose()


@pytest.fixture
def world(engine: Engine) -> World:
    """People, data sets, searches and trials as a test wants them."""
    return World(engine)


@pytest.fixture
def do(engine: Engine) -> Callable[..., Any]:
    """Runs a statement of the hot path: `do(leases.take, request, ...)`."""

    def run(statement: Callable[..., Any], *args: Any) -> Any:
        return db.autocommit(engine, lambda connection: statement(connection, *args))

    return run


@pytest.fixture
def calls(engine: Engine, database_url: str) -> WorkerCalls:
    """The calls of a worker, with the settings of a new installation."""
    settings = Settings(
        database_url=database_url, broker_url="redis://nowhere", storage_url="memory://"
    )
    return WorkerCalls(engine, settings)


@pytest.fixture(scope="session")
def built_app() -> FastAPI:
    """The application with its routes, which take a tenth of a second to build."""
    return create_app(settings_of("postgresql://nowhere", "redis://nowhere", "memory://"))


def settings_of(database_url: str, broker_url: str, storage_url: str) -> Settings:
    """The settings of the application in tests."""
    return Settings(
        database_url=database_url,
        broker_url=broker_url,
        storage_url=storage_url,
        allowed_hosts=("127.0.0.1",),
        max_upload_bytes=2**20,
    )


@pytest.fixture
def app(
    built_app: FastAPI,
    engine: Engine,
    database_url: str,
    shared_database: str,
    broker_url: str,
    storage_url: str,
) -> Iterator[FastAPI]:
    """The application on this test's database; its controller does not run.

    A test may change its state, but no routes: the next test gets the same application.
    """
    settings = settings_of(database_url, broker_url, storage_url)
    connect(built_app, settings, *lasting_engines(database_url))
    for one in lasting_engines(database_url):
        _check(one)
    yield built_app
    for one in lasting_engines(database_url):
        _release(one, is_shared=database_url == shared_database)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where a real server serves the application, with its operations and news of changes."""
    with socket.socket(
        proto=socket.IPPROTO_TCP
    ) as listening:  # named, so that uvicorn turns Nagle off
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = QuickServer(app)
        thread = threading.Thread(target=lambda: asyncio.run(server.run_on(listening)))
        thread.start()
        app.state.operations.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.end()
        thread.join()
    app.state.operations.stop(seconds=20)


class Person:
    """A person with a key, and a client of the app that sends it."""

    def __init__(self, app: FastAPI, http: httpx.Client, role: Role) -> None:
        with app.state.sessions.begin() as session:
            made = keys.create(session, f"a {role.value}", role)
        self.key = made.key
        self.caller = Caller(made.id, made.name, role)
        self.http = http
        self.http.headers["Authorization"] = f"Bearer {made.key}"


@pytest.fixture
def visit(address: str) -> Iterator[Callable[[], httpx.Client]]:
    """Makes clients without a key."""
    # Plain HTTP: the certificates, which take longer to read than many a test, are not needed.
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(
            httpx.Client(base_url=address, trust_env=False, timeout=20, verify=False)
        )


@pytest.fixture
def person(app: FastAPI, visit: Callable[[], httpx.Client]) -> Callable[..., Person]:
    """Makes persons: `person()`, `person(Role.ADMIN)`."""
    return lambda role=Role.USER: Person(app, visit(), role)


@pytest.fixture
def visitor(person: Callable[..., Person]) -> Person:
    """A user who has signed in to the dashboard."""
    user = person()
    assert enter(user.http, user.key).status_code == 303
    return user


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The gate before which imports read their files."""
    made, read = Gate(), intake.read

    def held_back(*arguments: Any) -> Any:
        made.entered.release()
        assert made.open.wait(20)
        return read(*arguments)

    monkeypatch.setattr(imports.intake, "read", held_back)
    yield made
    made.open.set()
