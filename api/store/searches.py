"""Searches: reading, moving between states, deleting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from api.models.searches import Search, Version
from api.models.trials import Trial
from api.schemas.searches import SearchOut, SearchPage, SearchPatch
from api.store import clock, deliveries, discarded, estimates, pages, sharing, summaries
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.missing import missing
from api.store.notifications import changed
from core.protocol.states import LIVE_SEARCH, SEARCH_SOURCES, SearchStatus, TrialKind, TrialStatus
from core.tasks import TASKS

#: A trial that nobody needs once its search has ended.
_WAITS_IN_VAIN = (Trial.status == TrialStatus.WAITING, Trial.kind != TrialKind.EXPORT)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which searches a list has, of those that its reader may see."""

    tags: tuple[str, ...] = ()  # all of them
    own: bool = False  # those that the reader has created
    statuses: tuple[SearchStatus, ...] = ()  # one of them; empty: any
    dataset_id: UUID | None = None
    text: str = ""  # in the name or the note, in any case of letters

    def conditions(self, caller: Caller) -> Iterator[ColumnElement[bool]]:
        """The filter in SQL."""
        if self.own:
            yield Search.owner_id == caller.key_id
        if self.tags:
            yield Search.tags.contains(list(self.tags))
        if self.statuses:
            yield Search.status.in_(self.statuses)
        if self.dataset_id is not None:
            yield Search.dataset_id == self.dataset_id
        if self.text:
            columns = (Search.name, Search.note)
            yield or_(*(one.icontains(self.text, autoescape=True) for one in columns))


def listing(
    session: Session,
    caller: Caller,
    chosen: Filter | None = None,
    *,
    limit: int = 100,
    cursor: str | None = None,
    is_oldest_first: bool = False,
) -> SearchPage:
    """A page of the searches that the caller may read and that are chosen, the newest first."""
    statement = _visible(caller).where(*(chosen or Filter()).conditions(caller))
    keys = (Search.created_at, Search.id)
    order = [one.asc() if is_oldest_first else one.desc() for one in keys]
    if cursor is not None:
        last = pages.decode_creation(cursor)
        statement = statement.where(
            tuple_(*keys) > last if is_oldest_first else tuple_(*keys) < last
        )
    rows = list(session.scalars(statement.order_by(*order).limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return SearchPage(items=summaries.of(session, items), next_cursor=following)


def get(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """One search with a summary of its trials."""
    found = _row(session, caller, search_id)
    out = next(iter(summaries.of(session, [found])), None)
    if out is None:
        raise missing("search", search_id)
    left = estimates.seconds_left(session, found, out)
    return out.model_copy(update={"seconds_left": left})


def several(session: Session, caller: Caller, ids: Sequence[UUID]) -> list[SearchOut]:
    """These searches in this order, each with a summary of its trials, but without an estimate."""
    rows = {one.id: one for one in session.scalars(_visible(caller).where(Search.id.in_(ids)))}
    found = summaries.of(session, [rows[one] for one in ids if one in rows])
    return _complete(found, ids)


def outline(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """One search as `outlines` gives it."""
    return outlines(session, caller, [search_id])[0]


def outlines(session: Session, caller: Caller, ids: Sequence[UUID]) -> list[SearchOut]:
    """These searches in this order, in two quick queries: see `summaries.outlines`."""
    return _complete(summaries.outlines(session, ids, sharing.may_read(caller)), ids)


def _complete(found: list[SearchOut], ids: Sequence[UUID]) -> list[SearchOut]:
    """The searches that were found; NotFound unless all of these are among them."""
    known = {one.id for one in found}
    for one in ids:
        if one not in known:
            raise missing("search", one)
    return found


def on_same_data(
    session: Session, caller: Caller, search: SearchOut, limit: int
) -> list[SearchOut]:
    """Outlines of the latest other searches with the data set and metric of one, and a value."""
    task = TASKS[search.task]
    kind = func.coalesce(Search.config["metric"].astext, task().chosen.kind)
    valued = select(Trial.id).where(Trial.search_id == Search.id, Trial.value.is_not(None))
    others = (Search.id != search.id, kind == task(search.metric).chosen.kind, valued.exists())
    latest = _on_dataset(caller, search.dataset.id, limit).where(*others)
    ids = list(session.scalars(latest.with_only_columns(Search.id)))
    return summaries.outlines(session, ids, sharing.may_read(caller))


def on_dataset(session: Session, caller: Caller, dataset_id: UUID, limit: int) -> list[SearchOut]:
    """The latest searches on a data set that the caller may read."""
    latest = session.scalars(_on_dataset(caller, dataset_id, limit))
    return summaries.of(session, list(latest))


def _on_dataset(caller: Caller, dataset_id: UUID, limit: int) -> Select[Search]:
    return (
        _visible(caller)
        .where(Search.dataset_id == dataset_id)
        .order_by(Search.created_at.desc(), Search.id.desc())
        .limit(limit)
    )


def version(session: Session, caller: Caller, search_id: UUID) -> int:
    """How often the search, its trials or their epochs have changed."""
    return state(session, caller, search_id)[0]


def state(session: Session, caller: Caller, search_id: UUID) -> tuple[int, SearchStatus]:
    """The version and the status of a search, without the rest of it."""
    statement = (
        select(Version.version, Search.status)
        .join(Search, Search.id == Version.search_id)
        .where(Search.id == search_id, sharing.may_read(caller))
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        raise missing("search", search_id)
    return found.version, SearchStatus(found.status)


def require(session: Session, caller: Caller, search_id: UUID) -> None:
    """Raise NotFound unless the caller may read the search."""
    version(session, caller, search_id)


def require_change(session: Session, caller: Caller, search_id: UUID) -> None:
    """Raise NotFound unless the caller may read the search, Forbidden unless they may change it."""
    _own(session, caller, search_id)


def move(
    session: Session,
    search_id: UUID,
    to: SearchStatus,
    *,
    condition: ColumnElement[bool] | None = None,
    **values: Any,
) -> bool:
    """Move a search to another status; False where its present status does not allow that."""
    if to is SearchStatus.RUNNING:
        values["started_at"] = func.coalesce(Search.started_at, func.now())
    if to not in LIVE_SEARCH:
        values["ended_at"] = clock.end_of(Search)
    statement = (
        update(Search)
        .where(Search.id == search_id, Search.status.in_(SEARCH_SOURCES[to]))
        .values(status=to, **values)
        .returning(Search.id)
    )
    if condition is not None:
        statement = statement.where(condition)
    if session.execute(statement).one_or_none() is None:
        return False
    if to not in LIVE_SEARCH:
        stop_waiting(session, search_id, values.get("reason") or f"the search is {to}")
        deliveries.note_end(session, search_id, to)
    changed(session, search_id)
    return True


def begin(session: Session, search_id: UUID) -> bool:
    """Let a pending search run; False where it has been paused or stopped meanwhile."""
    is_pending = Search.status == SearchStatus.PENDING
    return move(session, search_id, SearchStatus.RUNNING, condition=is_pending)


def move_own(
    session: Session, caller: Caller, search_id: UUID, to: SearchStatus, **values: Any
) -> None:
    """Move a search of the caller's to another status.

    Nothing changes where it has the status already; Conflict where it cannot get there.
    """
    found = _own(session, caller, search_id)
    if move(session, search_id, to, **values):
        return
    session.refresh(found)
    if found.status != to:
        raise Conflict(_refusal(SearchStatus(found.status), to))


def _refusal(status: SearchStatus, to: SearchStatus) -> str:
    """Why a search with this status cannot be moved to another one, and what to do."""
    *others, last = sorted(SEARCH_SOURCES[to])
    allowed = f"{', '.join(others)} or {last}" if others else last
    change = "resumed" if to is SearchStatus.RUNNING else to
    text = f"the search is {status}; only one that is {allowed} can be {change}"
    if to is SearchStatus.RUNNING and status in {SearchStatus.COMPLETED, SearchStatus.STOPPED}:
        return f"{text}: extend its budget, then it runs on"
    return text


def edit(session: Session, caller: Caller, search_id: UUID, body: SearchPatch) -> SearchOut:
    """Change the name, tags or note of a search, or who reads it, in whatever state it is."""
    found = locked(session, caller, search_id)
    given = body.model_dump(exclude_none=True)
    if body.tags is not None:
        given["tags"] = sorted(set(body.tags))
    changes = {name: value for name, value in given.items() if getattr(found, name) != value}
    if changes:
        session.execute(update(Search).where(Search.id == search_id).values(changes))
        changed(session, search_id)
    return get(session, caller, search_id)


def pause(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Suggest and lease no more trials; running ones finish. Conflict once it is finishing."""
    move_own(session, caller, search_id, SearchStatus.PAUSED)
    return get(session, caller, search_id)


def resume(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Continue a paused search; Conflict where it has ended."""
    move_own(session, caller, search_id, SearchStatus.RUNNING)
    return get(session, caller, search_id)


def stop(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """End a search at once: waiting trials are stopped, workers are told at their next report."""
    move_own(session, caller, search_id, SearchStatus.STOPPED, reason=f"stopped by {caller.name}")
    return get(session, caller, search_id)


def stop_waiting(session: Session, search_id: UUID, reason: str) -> bool:
    """Stop the trials that wait in a search, but not exports; return whether there were any."""
    statement = (
        update(Trial)
        .where(Trial.search_id == search_id, *_WAITS_IN_VAIN)
        .values(status=TrialStatus.STOPPED, reason=reason, ended_at=clock.end_of(Trial))
        .returning(Trial.id)
    )
    stopped = len(session.execute(statement).all()) > 0
    if stopped:
        changed(session, search_id)
    return stopped


def left_waiting(session: Session) -> list[UUID]:
    """Ended searches with waiting trials, which were added or failed as the search ended."""
    statement = (
        select(Search.id)
        .join(Trial, Trial.search_id == Search.id)
        .where(*_WAITS_IN_VAIN, Search.status.not_in(LIVE_SEARCH))
        .distinct()
    )
    return list(session.scalars(statement))


def remove(session: Session, caller: Caller, search_id: UUID) -> None:
    """Delete a search and its trials; the sweeper then removes the blobs that only they need.

    Workers that still train one of them are told to abandon it.
    """
    locked(session, caller, search_id)
    discarded.end_leases(session, search_id)  # first, as reports lock leases before versions
    move(session, search_id, SearchStatus.STOPPED, reason="the search was deleted")
    changed(session, search_id)
    discarded.of_search(session, search_id)
    session.execute(delete(Search).where(Search.id == search_id))


def _visible(caller: Caller) -> Select[Search]:
    return select(Search).where(sharing.may_read(caller))


def _row(session: Session, caller: Caller, search_id: UUID) -> Search:
    found = session.scalars(_visible(caller).where(Search.id == search_id)).one_or_none()
    if found is None:
        raise missing("search", search_id)
    return found


def _own(session: Session, caller: Caller, search_id: UUID) -> Search:
    """A search that the caller may change; Forbidden where it is only shared with them."""
    found = _row(session, caller, search_id)
    if not caller.may_change(found.owner_id):
        raise sharing.read_only()
    return found


def locked(session: Session, caller: Caller, search_id: UUID) -> Search:
    """A search of the caller's that no other transaction changes before this one ends."""
    found = _own(session, caller, search_id)
    session.refresh(found, with_for_update={"key_share": True})
    return found


def lock(session: Session, search_id: UUID) -> None:
    """Let no other transaction change a search before this one ends."""
    chosen = select(Search.id).where(Search.id == search_id)
    session.execute(chosen.with_for_update(key_share=True))
