"""Searches as people see them: each with a summary of its trials."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.datasets import Dataset
from api.models.keys import Key
from api.models.leases import Lease
from api.models.networks import Network
from api.models.searches import Search, Version
from api.models.trials import Trial
from api.schemas.final_fits import ComparisonOut, FinalOut
from api.schemas.searches import Best, DatasetRef, OwnerRef, SearchOut, Used
from api.store import compute, kept
from api.store.readable import readable
from api.store.waits import reasons
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import LIVE_TRIAL, TrialKind, TrialStatus
from core.search.ensembles import in_words
from core.tasks import TASKS, measured


def of(session: Session, searches: Sequence[Search]) -> list[SearchOut]:
    """The searches as people see them, in a few queries for any number of them.

    One that was deleted after it was read is left out.
    """
    ids = [search.id for search in searches]
    heads, totals, bests = _heads(session, ids), _totals(session, searches), _bests(session, ids)
    return [
        _out(search, heads[search.id], bests.get(search.id), totals[search.id])
        for search in searches
        if search.id in heads
    ]


def outlines(
    session: Session, ids: Sequence[UUID], condition: ColumnElement[bool]
) -> list[SearchOut]:
    """Those of these searches that meet the condition, without what all their trials came to.

    They have their settings, state and best trial, as figures and tables of trials need them, and
    the totals of a search without trials.
    """
    heads, bests = _heads(session, ids, condition), _bests(session, ids)
    return [
        _out(heads[one].Search, heads[one], bests.get(one), _Totals())
        for one in ids
        if one in heads
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Totals:
    """The totals over all trials of a search; the defaults are those of one without trials."""

    counts: Sequence[Any] = ()  # rows by status
    final: FinalOut | None = None
    compute_in_winner: float | None = None  # share of all seconds of training
    wait: str = ""  # why its trials wait
    kept: str = ""  # which network keeps the root's accuracy


def _totals(session: Session, searches: Sequence[Search]) -> dict[UUID, _Totals]:
    """The totals of each search, in a few queries for all of them."""
    ids = [search.id for search in searches]
    counts, finals = _counts(session, ids), _finals(session, ids)
    shares, waits = compute.shares(session, ids), reasons(session, ids)
    keeping = [search.id for search in searches if search.config.get("keep_accuracy")]
    found = kept.sentences(session, keeping)
    return {
        one: _Totals(
            counts=counts[one],
            final=finals.get(one),
            compute_in_winner=shares.get(one),
            wait=waits.get(one, ""),
            kept=found.get(one, ""),
        )
        for one in ids
    }


#: Of the present lease; those before its checkpoint were spent by earlier ones.
_epochs_under_lease = func.greatest(func.coalesce(Lease.epochs - Lease.resumed_epoch, 0), 0)


def _heads(
    session: Session, ids: Sequence[UUID], *conditions: ColumnElement[bool]
) -> dict[UUID, Any]:
    """Version, data set, owner and root of each search, and the database's clock.

    The searches are read again with their versions, in one statement: a client that got the newest
    version with an older status would wait for a change that has already been.
    """
    statement = (
        select(
            Search,
            Version.version,
            Dataset.name.label("dataset"),
            Key.name.label("owner"),
            Network.name.label("root"),
            func.now().label("now"),
        )
        .join(Version, Version.search_id == Search.id)
        .join(Dataset, Dataset.id == Search.dataset_id)
        .join(Key, Key.id == Search.owner_id)
        .outerjoin(Network, Network.id == Search.root_id)
        .where(Search.id.in_(ids), *conditions)
        .execution_options(populate_existing=True)
    )
    return {row.Search.id: row for row in session.execute(statement)}


def _counts(session: Session, ids: list[UUID]) -> dict[UUID, list[Any]]:
    """By search and status: its trials, their epochs, and those with a value that inherited."""
    statement = (
        select(
            Trial.search_id,
            Trial.status,
            func.count().label("trials"),
            func.sum(Trial.epochs_spent + _epochs_under_lease).label("epochs"),
            func.sum(case((Trial.inherited & Trial.value.is_not(None), 1), else_=0)).label(
                "inherited"
            ),
        )
        .outerjoin(Lease, Lease.trial_id == Trial.id)
        .where(Trial.search_id.in_(ids), Trial.kind == TrialKind.SEARCH)
        .group_by(Trial.search_id, Trial.status)
    )
    counts: dict[UUID, list[Any]] = defaultdict(list)
    for row in session.execute(statement):
        counts[row.search_id].append(row)
    return counts


def _bests(session: Session, ids: Sequence[UUID]) -> dict[UUID, Best]:
    """The trial with the best value of each search; the first of equal ones."""
    columns = (Trial.id, Trial.search_id, Trial.number, Trial.value, Trial.value_std)
    ranked = (
        select(*columns, Trial.parameters, Trial.measures)
        .ext(distinct_on(Trial.search_id))
        .where(Trial.search_id.in_(ids), Trial.kind == TrialKind.SEARCH, Trial.value.is_not(None))
        .order_by(Trial.search_id, Trial.value.desc(), Trial.number)
    )
    return {
        row.search_id: Best.of(row, trial_id=row.id)
        for row in session.execute(ranked)
        if row.value is not None
    }


def _finals(session: Session, ids: list[UUID]) -> dict[UUID, FinalOut]:
    """The results of final fits that have been tested."""
    parent = aliased(Trial)
    statement = (
        select(Trial, parent.number, parent.parameters, Search.config)
        .join(parent, parent.id == Trial.parent_id)
        .join(Search, Search.id == Trial.search_id)
        .where(Trial.search_id.in_(ids), Trial.kind == TrialKind.FINAL)
    )
    results = [_final(*row) for row in session.execute(statement)]
    return {search_id: final for search_id, final in results if final is not None}


def _final(
    final: Trial, of_number: int, of_parameters: int, config: dict[str, Any]
) -> tuple[UUID, FinalOut | None]:
    """A search and the result of its final fit: of the winner alone where only that is exported."""
    if final.test_metric is None or final.test_loss is None or final.test_examples is None:
        return final.search_id, None
    searched = _config(config)[0]
    comparison = ComparisonOut.of(final.comparison, measured(searched))
    alone = comparison is not None and comparison.exported == "winner"
    members = [] if alone else final.members
    requested = 0 if alone else searched.training.ensemble or 0
    return final.search_id, FinalOut.of(
        final,
        trial_id=final.id,
        of_number=of_number,
        parameters=of_parameters if alone else final.parameters,
        members=members,
        ensemble=in_words(members, requested),
        comparison=comparison,
    )


def _out(search: Search, head: Any, best: Best | None, totals: _Totals) -> SearchOut:
    config, unread = _config(search.config)
    bounds, unread_bounds = readable(Bounds, search.bounds)
    task = measured(config)
    return SearchOut.of(
        search,
        config,
        bounds=bounds,
        reason=_reason(search.reason or totals.wait, [*unread, *unread_bounds]),
        owner=OwnerRef(id=search.owner_id, name=head.owner),
        dataset=DatasetRef(id=search.dataset_id, name=head.dataset),
        root_name=head.root,
        metric=task.metric,
        in_percent=task.in_percent,
        larger_is_better=task.larger_is_better,
        version=head.version,
        now=head.now,
        used=_used(search, head.now, totals.counts),
        trial_counts={TrialStatus(row.status): row.trials for row in totals.counts},
        trials_inherited=sum(row.inherited for row in totals.counts),
        compute_in_winner=totals.compute_in_winner,
        best=best and best.model_copy(update={"value": task.of_objective(best.value)}),
        final=totals.final,
        keep_accuracy=bool(config.keep_accuracy),
        int8=bool(config.int8),
        kept=totals.kept,
    )


def _config(stored: Any) -> tuple[SearchConfig, list[str]]:
    """The configuration of a search, and the names of its fields that cannot be read."""
    config, unread = readable(SearchConfig, stored, budget=Budget(trials=1))
    if config.task not in TASKS:
        known = {"task": SearchConfig.model_fields["task"].default, "metric": None}
        return config.model_copy(update=known), [*unread, f"task {config.task!r}"]
    if config.metric in (None, *(one.kind for one in TASKS[config.task].metrics)):
        return config, unread
    return config.model_copy(update={"metric": None}), [*unread, f"metric {config.metric!r}"]


def _reason(reason: str, unread: list[str]) -> str:
    """Why a search has ended, and what of it this release cannot read."""
    if not unread:
        return reason
    note = f"another release wrote this search; this one cannot read: {', '.join(unread)}"
    return f"{reason}; {note}" if reason else note


def _used(search: Search, now: datetime, counts: Sequence[Any]) -> Used:
    seconds = 0.0
    if search.started_at is not None:
        seconds = ((search.ended_at or now) - search.started_at).total_seconds()
    return Used(
        trials=sum(row.trials for row in counts if row.status not in LIVE_TRIAL),
        epochs=sum(row.epochs for row in counts),
        seconds=max(0.0, seconds),
    )
