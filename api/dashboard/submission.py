"""The page that starts a search, or says what it would be."""

import dataclasses
from http import HTTPStatus
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.builtins import BUILTINS
from api.dashboard.rendering import PageRoute, page
from api.dashboard.search_commands import clone_command, curl, search_command
from api.dashboard.search_form import (
    DEFAULTS,
    PATHS,
    PLAIN,
    Fields,
    body_of,
    errors_by_field,
    fields_of,
    liked,
    options_text,
    refusal,
)
from api.dashboard.visitors import SenderDep, Visitor, VisitorDep
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.imports import dataset_for
from api.schemas.new_searches import SearchIn, SearchPreview
from api.store import datasets, networks, new_searches, previews, search_names, searches
from api.store.errors import Forbidden, QuotaExceeded
from api.store.keys import Caller
from core.errors import InvalidInput, UnknownKind
from core.protocol.contracts.search_config import Cost
from core.protocol.contracts.training import Augmentation, Optimiser
from core.search.strategies import STRATEGIES, strategy
from core.tasks import TASKS

router = APIRouter(route_class=PageRoute)

#: What a form has beside its fields: the search that it started with, and the button pressed.
_BESIDE = ("like", "action")
#: The choices of augmentation in words.
_AUGMENTATIONS = {"auto": "automatic", PLAIN: "examples as they are", "none": "not moved"}


async def get_fields(request: Request) -> Fields:
    """The texts that the form has sent."""
    sent = await request.form()
    return {name: str(sent.get(name, "")).strip() for name in (*PATHS, *_BESIDE)}


def get_asked(request: Request) -> Fields:
    """The texts that the query of an address has."""
    sent = request.query_params
    return {name: sent.get(name, "")[:200].strip() for name in (*PATHS, *_BESIDE)}


FieldsDep = Annotated[Fields, Depends(get_fields)]
AskedDep = Annotated[Fields, Depends(get_asked)]


@router.get("/submit")
def submission_page(
    request: Request,
    visitor: VisitorDep,
    session: SessionDep,
    dataset: Annotated[str, Query(max_length=128)] = "",
    like: UUID | None = None,
) -> HTMLResponse:
    """The form for a new search; `like` is a search whose settings it starts with."""
    fields = DEFAULTS | {"dataset": dataset or f"builtin:{min(BUILTINS)}"}
    if like is not None:
        fields = fields_of(searches.get(session, visitor.caller, like))
    return _show(request, visitor, session, fields)


@router.get("/ui/submit/commands")
def commands_fragment(
    request: Request, visitor: VisitorDep, session: SessionDep, fields: AskedDep
) -> HTMLResponse:
    """The command and the request that do what the form would."""
    values = _commands(request, session, visitor.caller, fields)
    return page(request, "_commands.html", **values)


@router.post("/searches")
def submit_search(
    request: Request, visitor: SenderDep, storage: StorageDep, fields: FieldsDep
) -> Response:
    """Create a search and show it, or say what it would be.

    Errors are shown beside their fields, which keep their text.
    """
    state = request.app.state
    try:
        with unit_of_work(state.sessions) as session:
            like = liked(session, visitor.caller, fields)
            body = SearchIn.model_validate(body_of(fields, like))
        _check_options(body)
        chosen = dataset_for(state.sessions, storage, visitor.caller, body.dataset)
        most = state.settings.owner_searches
        if fields["action"] == "preview":
            with unit_of_work(state.sessions) as session:
                found = previews.preview(session, visitor.caller, body, chosen, most)
                return _show(request, visitor, session, fields, preview=found)
        with unit_of_work(state.sessions, state.controller.wake) as session:
            search = new_searches.create(session, visitor.caller, body, chosen, most_live=most)
    except ValidationError as error:
        return _again(request, visitor, fields, errors_by_field(error))
    except (InvalidInput, QuotaExceeded, Forbidden) as error:
        return _again(request, visitor, fields, refusal(str(error)))
    return RedirectResponse(f"/searches/{search.id}", HTTPStatus.SEE_OTHER)


@router.get("/searches")
def submission_address(visitor: VisitorDep) -> RedirectResponse:
    """The address that the form sends to leads to all searches."""
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _check_options(body: SearchIn) -> None:
    """Raise InvalidInput about the field of the options where the strategy does not take them."""
    try:
        strategy(body.strategy, body.strategy_options)
    except UnknownKind as error:
        raise InvalidInput(f"strategy: {error}") from None
    except InvalidInput as error:
        raise InvalidInput(f"options: {error}") from None


def _again(request: Request, visitor: Visitor, fields: Fields, errors: Fields) -> Response:
    with unit_of_work(request.app.state.sessions) as session:
        return _show(request, visitor, session, fields, errors)


def _show(
    request: Request,
    visitor: Visitor,
    session: Session,
    fields: Fields,
    errors: Fields | None = None,
    preview: SearchPreview | None = None,
) -> HTMLResponse:
    shown = {name: "" for name in (*PATHS, *_BESIDE)} | fields
    return page(
        request,
        "submit.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        strategies={kind: _about(STRATEGIES[kind]) for kind in sorted(STRATEGIES)},
        costs=list(Cost),
        metrics={one.kind: one.name for kind in TASKS for one in TASKS[kind].metrics},
        optimisers=list(Optimiser),
        augmentations={
            kind: _AUGMENTATIONS.get(kind, kind)
            for kind in ("auto", PLAIN, *get_args(Augmentation))
        },
        values=shown,
        errors=errors or {},
        preview=preview,
        name_hint=_name_hint(session, visitor.caller, shown),
        **_listed(session, visitor.caller, shown),
        **_commands(request, session, visitor.caller, shown),
    )


def _name_hint(session: Session, caller: Caller, fields: Fields) -> str:
    """The name that a search gets where the form gives none, as far as it is known."""
    like = liked(session, caller, fields)
    return "" if like is None else search_names.after(session, caller, like.id)


def _listed(session: Session, caller: Caller, shown: Fields) -> dict[str, Any]:
    """The data sets and networks to choose from, and the chosen one where they lack it."""
    uploaded = [one for one in datasets.listing(session, caller).items if not one.builtin]
    own = networks.listing(session, caller).items
    names = {f"builtin:{name}" for name in BUILTINS} | {str(one.id) for one in uploaded}
    kept = "" if shown["dataset"] in names else _name_of_data(session, caller, shown)
    is_listed = shown["root"] in {"", *(str(one.id) for one in own)}
    return {
        "builtins": sorted(BUILTINS),
        "uploaded": uploaded,
        "networks": own,
        "kept": kept,
        "kept_root": "" if is_listed else shown["root"],
    }


def _name_of_data(session: Session, caller: Caller, fields: Fields) -> str:
    """The name of a data set that the form does not list, such as that of a shared search."""
    like = liked(session, caller, fields)
    is_its = like is not None and str(like.dataset.id) == fields["dataset"]
    return like.dataset.name if like is not None and is_its else fields["dataset"]


def _about(kind: type) -> tuple[str, str]:
    """What a strategy does, in a sentence, and its options with their usual values."""
    sentence = (kind.__doc__ or "").strip().partition("\n")[0].replace("`", "")
    options = {one.name: one.default for one in dataclasses.fields(kind) if one.name != "cost"}
    return sentence, options_text(options)


def _commands(request: Request, session: Session, caller: Caller, fields: Fields) -> dict[str, Any]:
    """The command, where it has all options that are needed, and the request."""
    like = liked(session, caller, fields)
    service = f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"
    command = search_command(fields) if like is None else clone_command(fields, fields_of(like))
    return {"command": command, "curl": curl(service, body_of(fields, like))}
