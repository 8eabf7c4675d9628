"""Large searches for the dashboard benchmark, inserted in bulk as a search would have left them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Engine, insert, text, update
from sqlalchemy.orm import Session

from api import db
from api.controller.suggestions import architecture_columns
from api.models.leases import Lease
from api.models.searches import Search, Version
from api.models.trials import Trial
from api.models.workers import Worker
from api.roles import Role
from api.store import datasets, keys, new_searches, searches
from api.store.keys import Caller
from benchmarks.histories import SPEC
from core import morphisms
from core.graph.architecture import Architecture
from core.graph.roots import roots
from core.morphisms import sample
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import SearchStatus, TrialStatus

WORKERS = 4
FAMILY = 60  # different architectures; the trials take them in turn
_LAYERS = 24  # of the largest architecture
_ROOTS = 3  # trials without a parent
_PREDICTED = 10  # the first trial that the surrogate has suggested
_SECONDS = 75.0  # of a trial
_FAR = timedelta(days=1)

#: Curves that rise to the value of their trial.
_EPOCHS = text("""
INSERT INTO epochs (trial_id, attempt, epoch, train_loss, validation_loss, validation_metric,
    learning_rate, seconds)
SELECT trials.id, 1, n, 2 * exp(-n / 9.0), 2.1 * exp(-n / 10.0),
    value * (1 - 0.6 * exp(-n / 6.0)), 0.05, 1.5 * n
FROM trials CROSS JOIN generate_series(1, :epochs) AS n
WHERE search_id = :search AND value IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the dashboard is measured on."""

    key: str  # of the owner
    live: UUID  # a search that runs: all its trials but one are completed
    ended: UUID  # another one on the same data, which was stopped


def prepare(engine: Engine, trials: int, epochs: int) -> Prepared:
    """Insert two searches of this many trials, each of this many epochs."""
    with db.sessions(engine).begin() as session:
        key = keys.create(session, "visitor", Role.USER)
        caller = Caller(key.id, key.name, key.role)
        blob = BlobRef(key=f"datasets/{'1' * 64}.safetensors", sha256="1" * 64, bytes=1)
        data = datasets.add(session, caller, name="pictures", builtin=False, spec=SPEC, blob=blob)
        live, ended = (_search(session, caller, data.id, seed, trials, epochs) for seed in range(2))
        _run_one_more(session, live, trials, epochs)
        searches.move(session, ended, SearchStatus.STOPPED, reason="stopped by visitor")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return Prepared(key.key, live, ended)


def raise_version(engine: Engine, search_id: UUID) -> None:
    """Let the search have changed, without waking anybody."""
    with engine.begin() as connection:
        statement = update(Version).where(Version.search_id == search_id)
        connection.execute(statement.values(version=Version.version + 1))


def _search(
    session: Session, caller: Caller, dataset_id: UUID, seed: int, trials: int, epochs: int
) -> UUID:
    """A running search with completed trials. One in flight at most: it suggests no others."""
    config = SearchConfig(budget=Budget(trials=10 * trials), parallelism=1, seed=seed)
    search_id = new_searches.add(
        session, caller, name=f"search {seed}", dataset_id=dataset_id, config=config,
        bounds=Bounds(), trials_deadline=None,
    )  # fmt: skip
    searches.move(session, search_id, SearchStatus.RUNNING)
    session.execute(insert(Trial), list(_completed(search_id, seed, trials, epochs)))
    session.execute(_EPOCHS, {"search": search_id, "epochs": epochs})
    began = datetime.now(UTC) - timedelta(seconds=_SECONDS * trials / WORKERS)
    session.execute(
        update(Search)
        .where(Search.id == search_id)
        .values(next_number=trials, started_at=began, created_at=began)
    )
    return search_id


def _completed(search_id: UUID, seed: int, trials: int, epochs: int) -> Iterator[dict[str, Any]]:
    """The columns of completed trials; each is somewhat better than those long before it."""
    rng = np.random.default_rng([seed, trials])
    family = [(steps, architecture_columns(one)) for steps, one in _family(rng)]
    workers, ids = [uuid4() for _ in range(WORKERS)], [uuid4() for _ in range(trials)]
    began = datetime.now(UTC) - timedelta(seconds=_SECONDS * trials / WORKERS)
    for number in range(trials):
        steps, columns = family[number % FAMILY]
        has_parent = number >= _ROOTS
        value = 0.93 - 0.25 * float(np.exp(-number / 200)) + 0.02 * float(rng.standard_normal())
        value = min(value, 0.99)
        predicted = number >= _PREDICTED
        started = began + timedelta(seconds=_SECONDS * (number // WORKERS))
        yield columns | {
            "id": ids[number],
            "search_id": search_id,
            "number": number,
            "status": TrialStatus.COMPLETED,
            "parent_id": ids[int(number * rng.random())] if has_parent else None,
            "inherited": has_parent,
            "morphisms": steps if has_parent else [],
            "fingerprint": f"{columns['fingerprint']}-{number}",
            "value": value,
            "value_std": 0.004,
            "predicted_mean": value + 0.02 * float(rng.standard_normal()) if predicted else None,
            "predicted_std": 0.02 if predicted else None,
            "validation_loss": 1 - value,
            "epochs": epochs,
            "epochs_spent": epochs,
            "best_epoch": epochs,
            "seconds": _SECONDS,
            "latency": 1e-4 * float(1 + rng.random()),
            "hyperparameters": {"epochs": epochs},
            "worker": f"gpu-{number % WORKERS}",
            "worker_id": workers[number % WORKERS],
            "created_at": started - timedelta(seconds=1),
            "started_at": started,
            "ended_at": started + timedelta(seconds=0.97 * _SECONDS),
            "report_digest": b"1",
        }


def _family(rng: np.random.Generator) -> list[tuple[list[dict[str, Any]], Architecture]]:
    """Architectures, each with the morphism that leads to it, as a trial stores it."""
    bounds = Bounds(layers=_LAYERS)
    found = [([], one) for one in roots(SPEC, bounds)[:1]]
    while len(found) < FAMILY:
        parent = found[int(rng.integers(len(found)))][1]
        for morphism, child in sample(parent, bounds, rng, 1):
            step = {"text": morphism.describe(parent), "data": morphisms.to_json(morphism)}
            found.append(([step], child))
    return found


def _run_one_more(session: Session, search_id: UUID, number: int, epochs: int) -> None:
    """Add a trial that a worker trains, with a lease that does not run out meanwhile."""
    first = next(_completed(search_id, 0, 1, epochs))
    ended = ("value", "value_std", "ended_at", "report_digest", "best_epoch", "seconds")
    kept = {name: value for name, value in first.items() if name not in ended}
    worker = {"worker_id": uuid4(), "boot_id": uuid4()}
    trial = Trial(**kept | {"number": number, "status": TrialStatus.RUNNING})
    session.add(Worker(id=worker["worker_id"], boot_id=worker["boot_id"], name="gpu-0",
                       device="cpu", threads=1))  # fmt: skip
    session.add(trial)
    session.flush()
    later = datetime.now(UTC) + _FAR
    session.add(Lease(trial_id=trial.id, attempt=1, token=uuid4(), heard_at=later,
                      expires_at=later, **worker))  # fmt: skip
    session.execute(update(Search).where(Search.id == search_id).values(next_number=number + 1))
