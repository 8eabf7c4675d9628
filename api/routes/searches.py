"""Searches: create, watch, control, delete."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from api.db import unit_of_work
from api.edge import conditions, errors
from api.edge.authentication import require_access
from api.edge.dependencies import (
    ArrangementDep,
    CallerDep,
    ChangesDep,
    Cursor,
    IdempotencyKey,
    Limit,
    NetworkId,
    SearchId,
    SessionDep,
    StorageDep,
)
from api.edge.long_polls import first_found
from api.edge.parsing import version_in
from api.imports import dataset_for
from api.pictures import fronts
from api.schemas.enqueued import EnqueuedOut, QueuePage
from api.schemas.epochs import EpochPage
from api.schemas.exports import TrialExportPage
from api.schemas.fronts import FrontOut
from api.schemas.new_searches import SearchIn, SearchPreview
from api.schemas.searches import LimitsIn, SearchOut, SearchPage, SearchPatch
from api.schemas.texts import Tag
from api.schemas.trials import TrialPage
from api.store import (
    budgets,
    enqueued,
    epochs,
    new_searches,
    previews,
    searches,
    trial_exports,
    trial_tables,
    trials,
)
from api.store.keys import Caller
from core.protocol.contracts.search_config import Cost
from core.protocol.states import SearchStatus

router = APIRouter(prefix="/v1/searches", tags=["searches"])

_TAGS = "those that have each of these tags"
_STATES = "those in one of these states"
_TEXT = "those that have this text in their name or note"
_SORT = "`created_at`: the oldest first; `-created_at`: the newest first"
_SINCE = "a known version: the response is 304 unless the search has changed"
_WAIT = "long-poll for up to this many seconds"
_ETAG = "the ETag of a known version, as `since`"
_COST = "the cost; without it that of the search, or parameters where it has none"


@router.post("", status_code=201)
def create_search(
    request: Request,
    body: SearchIn,
    caller: CallerDep,
    storage: StorageDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> SearchOut:
    """Create a search. Its first trials are suggested in the background.

    With an `Idempotency-Key`, the same request sent again returns the same search. The key has 1 to
    128 printable ASCII characters; any other is refused (422), as ignoring it could create a search
    twice.
    """
    state = request.app.state
    dataset = dataset_for(state.sessions, storage, caller, body.dataset)
    with unit_of_work(state.sessions, state.controller.wake) as session:
        most = state.settings.owner_searches
        search = new_searches.create(session, caller, body, dataset, idempotency_key, most)
    response.headers["Location"] = f"/v1/searches/{search.id}"
    return search


@router.post(":validate")
def validate_search(
    request: Request, body: SearchIn, caller: CallerDep, storage: StorageDep
) -> SearchPreview:
    """Check a search and preview its roots and times; it is refused as `POST` would, not created.

    Times are estimates before anything is measured: for one thread of a usual processor.
    """
    state = request.app.state
    dataset = dataset_for(state.sessions, storage, caller, body.dataset)
    with unit_of_work(state.sessions) as session:
        return previews.preview(session, caller, body, dataset, state.settings.owner_searches)


@router.get("")
def list_searches(
    caller: CallerDep,
    session: SessionDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    tag: Annotated[list[Tag] | None, Query(max_length=32, description=_TAGS)] = None,
    own: Annotated[bool, Query(description="those that you created alone")] = False,
    status: Annotated[list[SearchStatus] | None, Query(max_length=8, description=_STATES)] = None,
    dataset: Annotated[UUID | None, Query(description="those for the data set of this id")] = None,
    text: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$", description=_TEXT)] = "",
    sort: Annotated[Literal["-created_at", "created_at"], Query(description=_SORT)] = "-created_at",
) -> SearchPage:
    """List your searches and those that others share, the newest first, or as `sort` says.

    With `tag`, `own`, `status`, `dataset` or `text`, those alone that match all of them.
    """
    chosen = searches.Filter(tuple(tag or ()), own, tuple(status or ()), dataset, text.strip())
    is_oldest_first = sort == "created_at"
    return searches.listing(
        session, caller, chosen, limit=limit, cursor=cursor, is_oldest_first=is_oldest_first
    )


@router.get("/{search_id}", responses={304: {"description": "unchanged since"}})
async def get_search(
    request: Request,
    search_id: SearchId,
    caller: CallerDep,
    changes: ChangesDep,
    since: Annotated[int | None, Query(ge=0, le=2**62, description=_SINCE)] = None,
    wait_seconds: Annotated[float, Query(alias="wait", ge=0, le=60, description=_WAIT)] = 0,
    if_none_match: Annotated[str | None, Header(description=_ETAG)] = None,
) -> Response:
    """Get a search, at once or with `wait` when it has changed. Its version is also the ETag."""
    known = version_in(if_none_match) if since is None else since
    look = partial(_read, request, caller, search_id, known)
    found = await first_found(request, changes, search_id, look, wait_seconds)
    if found is None:
        return Response(status_code=304, headers={"ETag": f'"{known}"'})
    headers = {"ETag": f'"{found.version}"'}
    return Response(found.model_dump_json(), media_type="application/json", headers=headers)


def _read(
    request: Request, caller: Caller, search_id: UUID, known: int | None, has_waited: bool
) -> SearchOut | None:
    """The search, or None where its version is the known one; 401 if the key ended meanwhile."""
    with unit_of_work(request.app.state.sessions) as session:
        if has_waited:
            require_access(request, session)
        if known is not None and searches.version(session, caller, search_id) == known:
            return None
        return searches.get(session, caller, search_id)


@router.patch("/{search_id}", responses=errors.documented(HTTPStatus.PRECONDITION_FAILED))
def edit_search(
    request: Request,
    response: Response,
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    body: SearchPatch | None = None,
    if_match: Annotated[str | None, Header(description="the ETag that was read")] = None,
) -> SearchOut:
    """Change the name, the tags or the note of a search, or share it; what is left out stays.

    All users of the service may read a shared search with its trials and its export, and nobody but
    its owner and admins changes it (403). With `If-Match`, 412 where the search or one of its
    trials has changed since.
    """
    if if_match is not None:
        searches.locked(session, caller, search_id)
        found = searches.version(session, caller, search_id)
        conditions.require_match(request.headers, f'"{found}"')
    edited = searches.edit(session, caller, search_id, body or SearchPatch())
    response.headers["ETag"] = f'"{edited.version}"'
    return edited


@router.put("/{search_id}/enqueued/{network_id}")
def enqueue_network(
    search_id: SearchId, network_id: NetworkId, caller: CallerDep, session: SessionDep
) -> EnqueuedOut:
    """Let an uploaded network become the next trial, after the first roots have been compared.

    It starts from its own weights, if it has any, and counts as a trial of the budget. 409 where
    the search makes no more trials, or a trial has the same architecture.
    """
    return enqueued.add(session, caller, search_id, network_id)


@router.get("/{search_id}/enqueued")
def list_enqueued(search_id: SearchId, caller: CallerDep, session: SessionDep) -> QueuePage:
    """List the networks that wait for their trial, the next one first."""
    return QueuePage(items=enqueued.listing(session, caller, search_id))


@router.delete("/{search_id}/enqueued/{network_id}", status_code=204)
def withdraw_network(
    search_id: SearchId, network_id: NetworkId, caller: CallerDep, session: SessionDep
) -> None:
    """Remove a network from the queue before its trial is made; 409 where it has one already."""
    enqueued.withdraw(session, caller, search_id, network_id)


@router.get("/{search_id}/exports")
def list_trial_exports(
    search_id: SearchId, caller: CallerDep, session: SessionDep
) -> TrialExportPage:
    """List the exports of single trials, in the order of their orders; see `/v1/trials`."""
    return TrialExportPage(items=trial_exports.listing(session, caller, search_id))


@router.delete("/{search_id}", status_code=204)
def delete_search(search_id: SearchId, caller: CallerDep, session: SessionDep) -> None:
    """Delete a search with its trials and models; a running search is stopped first."""
    searches.remove(session, caller, search_id)


@router.post("/{search_id}:pause")
def pause_search(search_id: SearchId, caller: CallerDep, session: SessionDep) -> SearchOut:
    """Pause a search: no more trials start, running ones finish."""
    return searches.pause(session, caller, search_id)


@router.post("/{search_id}:resume")
def resume_search(search_id: SearchId, caller: CallerDep, session: SessionDep) -> SearchOut:
    """Continue a paused search."""
    return searches.resume(session, caller, search_id)


@router.post("/{search_id}:stop")
def stop_search(search_id: SearchId, caller: CallerDep, session: SessionDep) -> SearchOut:
    """Stop a search permanently; its workers are freed within two heartbeats."""
    return searches.stop(session, caller, search_id)


@router.post("/{search_id}:finish")
def finish_search(search_id: SearchId, caller: CallerDep, session: SessionDep) -> SearchOut:
    """Finish a search early: waiting trials are stopped, running ones end, then the final fit.

    The budget becomes what has been spent. 409 where no trial has a value and none is running.
    """
    return budgets.finish(session, caller, search_id)


@router.post("/{search_id}:extend")
def extend_search(
    request: Request,
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    body: LimitsIn | None = None,
) -> SearchOut:
    """Let a search spend more; change how many of its trials are in flight, or its priority.

    A completed or stopped search runs on, and its final fit is made again; until then the export
    is the earlier one. The limits are totals, so that the same request may be sent again.

    The priority alone may change until the search is over. It says which waiting trials are leased
    first; running ones are not interrupted.
    """
    most = request.app.state.settings.owner_searches
    return budgets.extend(session, caller, search_id, body or LimitsIn(), most)


@router.get("/{search_id}/trials")
def list_trials(
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    arrangement: ArrangementDep,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> TrialPage:
    """List the trials of a search by number, the final fit last, or as `sort` says.

    Sorted by anything else than the number, a trial of a running search may be on two pages.
    """
    searches.require(session, caller, search_id)
    if arrangement.is_default:
        return trials.table(session, search_id, limit=limit, cursor=cursor)
    return trial_tables.listing(session, search_id, arrangement, limit=limit, cursor=cursor)


@router.get("/{search_id}/front")
def get_front(
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    cost: Annotated[Cost | None, Query(description=_COST)] = None,
) -> FrontOut:
    """Get the Pareto front: the trials that none beats in both metric and cost, cheapest first."""
    return fronts.of_search(session, caller, search_id, cost)


@router.get("/{search_id}/epochs")
def list_epochs(
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> EpochPage:
    """List the epochs of all trials of a search, trial by trial: their learning curves.

    No epoch is on two pages. Those that a running trial adds after the page that had its last ones
    are in the next list.
    """
    return epochs.page_of_search(session, caller, search_id, limit=limit, cursor=cursor)
