"""Searches with waiting trials, made by one statement each instead of by strategies."""

from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from api import db
from api.models.searches import Search
from api.roles import Role
from api.store import datasets, keys, new_searches, searches
from api.store.keys import Caller
from core.graph.roots import roots
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus

SPEC = DatasetSpec(
    input_shape=(1, 28, 28),
    classes=10,
    class_names=tuple("0123456789"),
    train_examples=60_000,
    test_examples=10_000,
    dtype="uint8",
)
_TRIALS = text("""
INSERT INTO trials (id, search_id, number, kind, status, morphisms, architecture, fingerprint,
    layers, parameters, flops, inherited, hyperparameters, epochs_reserved, ring_at)
SELECT gen_random_uuid(), searches.id, number, 'search', 'waiting', '[]',
    CAST(:architecture AS jsonb),
    number::text, 10, 1000, 1000, false, '{"epochs": 3}', 3, now() + interval '1 day'
FROM searches CROSS JOIN generate_series(0, :trials - 1) AS number
""")


def prepare(engine: Engine, search_count: int, trials: int) -> None:
    """Create searches with waiting trials; with one in flight they request no suggestions."""
    with db.sessions(engine).begin() as session:
        caller, data_id = _dataset(session)
        for number in range(search_count):
            config = SearchConfig(budget=Budget(trials=100_000), parallelism=1)
            search = _search(session, caller, data_id, str(number), config)
            searches.move(session, search, SearchStatus.RUNNING)
            session.get_one(Search, search).next_number = trials
        session.flush()
        architecture = roots(SPEC, Bounds())[0].canonical_json()
        session.execute(_TRIALS, {"architecture": architecture, "trials": trials})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def begin_search(engine: Engine, *, strategy: str, parallelism: int) -> None:
    """Create a search whose trials the controller proposes."""
    config = SearchConfig(budget=Budget(trials=100_000), parallelism=parallelism, strategy=strategy)
    with db.sessions(engine).begin() as session:
        caller, data_id = _dataset(session)
        _search(session, caller, data_id, strategy, config)


def _dataset(session: Session) -> tuple[Caller, UUID]:
    """A user and a data set."""
    key = keys.create(session, "bench", Role.USER)
    caller = Caller(key.id, key.name, key.role)
    blob = BlobRef(key=f"datasets/{'0' * 64}.safetensors", sha256="0" * 64, bytes=1)
    data = datasets.add(session, caller, name="d", builtin=False, spec=SPEC, blob=blob)
    return caller, data.id


def _search(
    session: Session, caller: Caller, data_id: UUID, name: str, config: SearchConfig
) -> UUID:
    return new_searches.add(
        session, caller, name=name, dataset_id=data_id, config=config, bounds=Bounds(),
        trials_deadline=None,
    )  # fmt: skip
