"""Live searches as the controller sees them: their progress, and what their next step depends on.

Progress is read by one cheap query for all. The snapshot for a step is read as plain rows: the
process that computes the step decodes them, so that thousands of architectures cost the API
process nothing, and an unreadable search harms no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Text, cast, exists, func, select, text
from sqlalchemy.orm import Session

from api.models.blobs import Damaged
from api.models.datasets import Dataset
from api.models.networks import Network
from api.models.searches import Search
from api.models.trials import Trial
from api.store import memory_limits
from api.store.fragments import listed
from api.store.snapshots import PLAIN, CompletedSearch, StoredSnapshot
from core.graph.architecture import Architecture
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import LIVE_SEARCH, LIVE_TRIAL, SearchStatus, TrialKind, TrialStatus
from core.search.budget import FAILURES_IN_A_ROW, SearchProgress
from core.surrogate import FEWEST_VALUES


@dataclass(frozen=True, slots=True)
class LiveSearch:
    """A live search and its progress."""

    search_id: UUID
    next_number: int  # a decision holds only while this has not changed
    progress: SearchProgress
    limited_owner: UUID | None = None  # None: an admin's, without quotas

    @property
    def in_flight(self) -> int:
        """Trials that wait or are trained."""
        return self.progress.waiting + self.progress.running


MOST_EARLIER = 8  # finished searches that a new one learns from
MOST_HELPED = 24  # trials, from which on a search knows enough by itself

# Each LATERAL reads a few rows by a partial index; only a budget in epochs needs a sum over all.
_LIVE_SEARCHES = f"""
SELECT searches.id, searches.status,
    CASE keys.role WHEN 'admin' THEN NULL ELSE keys.id END AS owner,
    parallelism, trial_limit, epoch_limit, trials_deadline,
    next_number, coalesce(extract(epoch FROM now() - searches.started_at), 0)::float8 AS elapsed,
    live.waiting, live.running,
    coalesce(taken.epochs, 0) AS epochs_taken,
    coalesce(failed.failures, 0) AS failures, coalesce(failed.reason, '') AS failure,
    final.status AS final, coalesce(final.reason, '') AS final_reason,
    final.test_metric IS NOT NULL AS final_tested,
    EXISTS (SELECT FROM trials AS best WHERE best.search_id = searches.id
        AND best.kind = 'search' AND best.value IS NOT NULL) AS has_best
FROM searches JOIN keys ON keys.id = searches.owner_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE trials.status = 'waiting') AS waiting,
        count(*) FILTER (WHERE trials.status = 'running') AS running
    FROM trials WHERE search_id = searches.id AND kind = 'search'
        AND trials.status IN ({listed(LIVE_TRIAL)})
) AS live
LEFT JOIN LATERAL (
    SELECT sum(CASE WHEN trials.status IN ({listed(LIVE_TRIAL)})
        THEN greatest(epochs_reserved, epochs_spent) ELSE epochs_spent END) AS epochs
    FROM trials WHERE search_id = searches.id AND kind = 'search' AND epoch_limit IS NOT NULL
) AS taken ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE good = 0) AS failures,
        (array_agg(recent.reason ORDER BY ended_at DESC))[1] AS reason
    FROM (
        SELECT last.reason, last.ended_at,
            count(*) FILTER (WHERE last.status NOT IN ('failed', 'lost'))
                OVER (ORDER BY ended_at DESC) AS good
        FROM (
            SELECT trials.reason, trials.status, ended_at FROM trials
            WHERE search_id = searches.id AND kind = 'search' AND ended_at IS NOT NULL
            ORDER BY ended_at DESC LIMIT {FAILURES_IN_A_ROW}
        ) AS last
    ) AS recent
) AS failed ON true
LEFT JOIN trials AS final ON final.search_id = searches.id AND final.kind = 'final'
WHERE searches.status IN ({listed(LIVE_SEARCH)})
"""
_LIVE = text(f"{_LIVE_SEARCHES} ORDER BY searches.created_at")
_LIVE_ONE = text(f"{_LIVE_SEARCHES} AND searches.id = :search_id")


_CONFIGURED = select(Search.config, Dataset.spec).join(Dataset, Dataset.id == Search.dataset_id)

_EARLIER = text(f"""
SELECT earlier.id
FROM searches
JOIN datasets ON datasets.id = searches.dataset_id
JOIN searches AS earlier ON earlier.owner_id = searches.owner_id
    AND earlier.status = 'completed' AND earlier.ended_at < searches.created_at
JOIN datasets AS known ON known.id = earlier.dataset_id AND known.task = datasets.task
    AND jsonb_array_length(known.spec -> 'input_shape')
        = jsonb_array_length(datasets.spec -> 'input_shape')
WHERE searches.id = :search_id
    AND (SELECT count(*) FROM trials WHERE trials.search_id = earlier.id
        AND trials.kind = 'search' AND trials.value IS NOT NULL) >= {FEWEST_VALUES}
ORDER BY earlier.ended_at DESC, earlier.id
LIMIT {MOST_EARLIER}
""")


_HOLD_CLOCKS = text(f"""
UPDATE searches SET started_at = now()
WHERE status IN ('running', 'paused') AND trials_deadline IS NOT NULL
    AND started_at < now() - interval '1 s'
    AND NOT EXISTS (
        SELECT FROM trials LEFT JOIN leases ON leases.trial_id = trials.id
        WHERE search_id = searches.id AND trials.started_at IS NOT NULL
            AND (trials.status NOT IN ({listed(LIVE_TRIAL)}) OR trials.attempt > 1
                OR trials.epochs_spent > 0 OR leases.step > 0 OR leases.epochs > 0))
""")


def hold_clocks(session: Session) -> None:
    """Let the time of searches begin with the first step of a trial.

    Before it no worker was free, or the first one reads the data. Until then a search has started
    just now. A trial whose first attempt failed has begun: no search waits without end.
    """
    session.execute(_HOLD_CLOCKS)


def live(session: Session | Connection) -> list[LiveSearch]:
    """All live searches, the oldest first."""
    return [_live_search(row) for row in session.execute(_LIVE).mappings()]


def progress(session: Session, search_id: UUID) -> SearchProgress | None:
    """The progress of one search; None where it has ended or is gone."""
    row = session.execute(_LIVE_ONE, {"search_id": search_id}).mappings().one_or_none()
    return None if row is None else _live_search(row).progress


def _live_search(row: object) -> LiveSearch:
    columns = dict(row)  # type: ignore[call-overload]
    search_id, number = columns.pop("id"), columns.pop("next_number")
    columns["status"] = SearchStatus(columns["status"])
    columns["final"] = columns["final"] and TrialStatus(columns["final"])
    owner = columns.pop("owner")
    return LiveSearch(search_id, number, SearchProgress(created=number, **columns), owner)


def snapshot(session: Session, search: LiveSearch, count: int) -> StoredSnapshot | None:
    """The snapshot for `count` suggestions; None where the search has changed since it was read."""
    elapsed = func.extract("epoch", func.now() - Search.started_at)
    statement = (
        select(
            Search.config,
            Search.bounds,
            Dataset.spec,
            elapsed.label("elapsed"),
            Network.architecture.label("root"),
        )
        .join(Dataset, Dataset.id == Search.dataset_id)
        .outerjoin(Network, Network.id == Search.root_id)
        .where(
            Search.id == search.search_id,
            Search.status == SearchStatus.RUNNING,
            Search.next_number == search.next_number,
        )
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    return StoredSnapshot(
        search_id=search.search_id,
        next_number=search.next_number,
        count=count,
        config=row.config,
        bounds=row.bounds,
        dataset=row.spec,
        elapsed=float(row.elapsed),
        epochs_left=search.progress.epochs_left,
        trials=past(session, search.search_id),
        exceeded_memory=memory_limits.exceeded(session),
        root=row.root,
        earlier=tuple(_earlier(session, search)) if search.next_number < MOST_HELPED else (),
    )


def _earlier(session: Session, search: LiveSearch) -> Iterator[CompletedSearch]:
    """The last completed searches of the same owner, of the same task and kind of data.

    Those that had ended when the search was created: so its steps can be repeated.
    """
    ids = session.scalars(_EARLIER, {"search_id": search.search_id}).all()
    for search_id in ids:
        row = session.execute(_CONFIGURED.where(Search.id == search_id)).one()
        yield CompletedSearch(config=row.config, dataset=row.spec, trials=past(session, search_id))


def configured(session: Session, search_id: UUID) -> tuple[SearchConfig, DatasetSpec] | None:
    """How a search is configured and what its data set is; None where it was deleted."""
    row = session.execute(_CONFIGURED.where(Search.id == search_id)).one_or_none()
    if row is None:
        return None
    return SearchConfig.model_validate(row.config), DatasetSpec.model_validate(row.spec)


def given_root(session: Session, search_id: UUID) -> Architecture | None:
    """The architecture of the network that a user gave as the root of a search, if any."""
    statement = select(Network.architecture).join(Search, Search.root_id == Network.id)
    found = session.execute(statement.where(Search.id == search_id)).scalar_one_or_none()
    return None if found is None else Architecture.from_json(found)


def past(session: Session, search_id: UUID) -> tuple[dict[str, Any], ...]:
    """All trials of a search but the final fit, in the order they were made.

    As plain rows for `past_trial`, architectures and morphisms as JSON text.
    """
    damaged = exists().where(Damaged.blob_key == Trial.weights_key)
    statement = (
        select(
            Trial.id,
            Trial.status,
            Trial.epochs,
            Trial.choices,
            Trial.parent_id,
            cast(Trial.architecture, Text).label("architecture"),
            cast(Trial.morphisms, Text).label("morphisms"),
            (Trial.weights_key.is_not(None) & ~damaged).label("has_weights"),
            Trial.inherited,
            Trial.hyperparameters["epochs"].as_integer().label("planned_epochs"),
            Trial.hyperparameters["max_seconds"].as_float().label("max_seconds"),
            *(getattr(Trial, name) for name in PLAIN),
        )
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.SEARCH)
        .order_by(Trial.number)
    )
    return tuple(dict(row) for row in session.execute(statement).mappings())
