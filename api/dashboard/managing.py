"""What a person changes of a search: limits, name, tags and note, a network of their own."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from api.dashboard.rendering import PageRoute
from api.dashboard.search_form import in_words, number, range_of
from api.dashboard.search_pages import show_search
from api.dashboard.search_parts import limits_of
from api.dashboard.visitors import SenderDep, UploadRoute, Visitor, VisitorDep
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.imports import import_network
from api.schemas.searches import LimitsIn, SearchOut, SearchPatch
from api.schemas.texts import Name
from api.store import budgets, enqueued, searches
from api.store.errors import Conflict, Forbidden, QuotaExceeded
from core.errors import InvalidInput

router = APIRouter(route_class=PageRoute)
uploads = APIRouter(route_class=UploadRoute)

Text = Annotated[str, Form(max_length=200)]
LongText = Annotated[str, Form(max_length=4000)]
JsonText = Annotated[str, Form(max_length=2**20)]
_NAME = TypeAdapter[str](Name)
_MOST_JSON = 2**20  # bytes of an architecture


@router.get("/searches/{search_id}/extend")
@router.get("/searches/{search_id}/edit")
@router.get("/searches/{search_id}/withdraw")
@router.get("/ui/searches/{search_id}/enqueued")
def manage_address(search_id: UUID, visitor: VisitorDep) -> RedirectResponse:
    """The addresses that forms send to lead to the tab that has them."""
    return _to_tab(search_id)


def _to_tab(search_id: UUID, tab: str = "manage") -> RedirectResponse:
    return RedirectResponse(f"/searches/{search_id}?tab={tab}", HTTPStatus.SEE_OTHER)


@router.post("/searches/{search_id}/extend")
def extend(
    request: Request,
    search_id: UUID,
    visitor: SenderDep,
    trials: Text = "",
    minutes: Text = "",
    epochs: Text = "",
    parallelism: Text = "",
    priority: Text = "",
) -> Response:
    """Let a search spend more; fields that are as they were shown change nothing."""
    fields = {"trials": trials, "minutes": minutes, "epochs": epochs, "parallelism": parallelism}
    fields |= {"priority": priority}
    state = request.app.state
    with unit_of_work(state.sessions) as session:
        searches.require_change(session, visitor.caller, search_id)
        search = searches.get(session, visitor.caller, search_id)
    try:
        body = LimitsIn.model_validate(_limits(search, fields))
        with unit_of_work(state.sessions, state.controller.wake) as session:
            most = state.settings.owner_searches
            budgets.extend(session, visitor.caller, search_id, body, most)
    except ValidationError as error:
        return _again(request, visitor, search_id, fields, _of_limits(error))
    except (InvalidInput, Conflict, QuotaExceeded, Forbidden) as error:
        return _again(request, visitor, search_id, fields, _refused(search, str(error)))
    return _to_tab(search_id, "overview")


def _limits(search: SearchOut, fields: Mapping[str, str]) -> dict[str, Any]:
    """The body of `:extend`: the limits that differ from the present ones."""
    shown = limits_of(search)
    changed = {k: number(v) for k, v in fields.items() if v.strip() and v.strip() != shown[k]}
    minutes = changed.pop("minutes", None)
    if minutes is not None:
        changed["seconds"] = minutes if isinstance(minutes, str) else 60 * minutes
    return changed


def _of_limits(error: ValidationError) -> dict[str, str]:
    messages: dict[str, str] = {}
    for one in error.errors():
        field = str(one["loc"][0])
        if field == "seconds":
            messages["minutes"] = range_of("minutes")
        else:
            messages[field] = in_words(one["msg"])
    return messages


def _refused(search: SearchOut, message: str) -> dict[str, str]:
    """The message beside its field, in the unit of the form."""
    field, _, words = message.partition(": ")
    if field == "seconds" and search.budget.seconds is not None:
        least = f"{search.budget.seconds / 60:g}"
        return {"minutes": f"expected the new limit in full, at least {least}"}
    return {field: words} if field in limits_of(search) else {"extend": message}


@router.post("/searches/{search_id}/edit")
def edit(
    request: Request,
    search_id: UUID,
    visitor: SenderDep,
    session: SessionDep,
    name: Text = "",
    tags: LongText = "",
    note: LongText = "",
    shared: Text = "",
) -> Response:
    """Change the name, the tags (with commas between them) and the note; share the search."""
    fields = {"name": name, "tags": tags, "note": note.replace("\r\n", "\n"), "shared": shared}
    chosen = [one.strip() for one in tags.split(",") if one.strip()]
    searches.require_change(session, visitor.caller, search_id)
    try:
        body = SearchPatch.model_validate(fields | {"tags": chosen, "shared": bool(shared)})
    except ValidationError as error:
        messages = {str(one["loc"][0]): in_words(one["msg"]) for one in error.errors()}
        return _again(request, visitor, search_id, fields, messages)
    searches.edit(session, visitor.caller, search_id, body)
    return _to_tab(search_id)


@uploads.post("/ui/searches/{search_id}/enqueued")
def enqueue(
    request: Request,
    search_id: UUID,
    visitor: SenderDep,
    storage: StorageDep,
    network: Text = "",
    architecture: JsonText = "",
    file: Annotated[UploadFile | None, File()] = None,
    weights: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Let a network become the next trial of a search: its JSON as text or file, its weights."""
    fields = {"network": network, "architecture": architecture}
    state = request.app.state
    try:
        with unit_of_work(state.sessions) as session:
            searches.require_change(session, visitor.caller, search_id)
        data = _architecture(architecture, file)
        given = weights.file if weights is not None and weights.size else None
        name = _NAME.validate_python(network.strip() or "my network")
        made = import_network(state.sessions, storage, visitor.caller, name, data, given)
        with unit_of_work(state.sessions, state.controller.wake) as session:
            enqueued.add(session, visitor.caller, search_id, made.id)
    except ValidationError as error:
        message = in_words(error.errors()[0]["msg"])
        return _again(request, visitor, search_id, fields, {"network": message})
    except InvalidInput as error:
        field = "weights" if str(error).startswith("weights:") else "architecture"
        return _again(request, visitor, search_id, fields, {field: str(error)})
    except Conflict as error:
        return _again(request, visitor, search_id, fields, {"enqueue": str(error)})
    return _to_tab(search_id)


@router.post("/searches/{search_id}/withdraw")
def withdraw(
    search_id: UUID, visitor: SenderDep, session: SessionDep, network_id: Annotated[UUID, Form()]
) -> Response:
    """Let a network that waits not become a trial."""
    enqueued.withdraw(session, visitor.caller, search_id, network_id)
    return _to_tab(search_id)


def _architecture(text: str, file: UploadFile | None) -> Any:
    """The JSON of an architecture; also that of a trial, which has its architecture inside."""
    is_file = file is not None and bool(file.size)
    if is_file == bool(text.strip()):
        raise InvalidInput("give the architecture either as text or as a file")
    if file is not None and is_file:
        content = file.file.read(_MOST_JSON + 1)
        if len(content) > _MOST_JSON:
            raise InvalidInput(f"the file has more than {_MOST_JSON} bytes; expected at most that")
        text = content.decode("utf-8", "replace")
    data = _parsed(text)
    inner = data.get("architecture") if isinstance(data, dict) and "nodes" not in data else None
    return data if inner is None else inner


def _parsed(text: str) -> Any:
    expected = "expected the JSON of an architecture, as a trial's page links it"
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"line {error.lineno}, column {error.colno} is no JSON: {error.msg}; {expected}"
        ) from None
    except RecursionError:
        raise InvalidInput(f"the JSON is nested too deeply; {expected}") from None


def _refuse_constant(name: str) -> float:
    raise InvalidInput(f"the JSON has the number {name}; expected finite numbers")


def _again(
    request: Request,
    visitor: Visitor,
    search_id: UUID,
    values: Mapping[str, str],
    errors: Mapping[str, str],
) -> Response:
    """The tab again, with what was entered and what is wrong with it."""
    with unit_of_work(request.app.state.sessions) as session:
        return show_search(
            request, visitor, session, search_id, "manage", values=values, errors=errors,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )  # fmt: skip


router.include_router(uploads)
