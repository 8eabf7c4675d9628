"""The page that starts a search: its form, and the command and the request that do the same."""

import json
import shlex
from http import HTTPStatus
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from api.builtins import BUILTINS
from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import SenderDep, Visitor, VisitorDep
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.imports import dataset_for
from api.schemas import SearchIn, SearchOut
from api.store import datasets, new_searches, searches
from api.store.errors import QuotaExceeded
from api.store.keys import Caller
from core.errors import InvalidInput
from core.protocol.contracts import Augmentation, Bounds, Budget, Cost, Optimiser, SearchConfig
from core.search.strategies import STRATEGIES
from core.tasks import TASKS

router = APIRouter(route_class=PageRoute)

Fields = dict[str, str]  # texts of the form by name

#: Where the body of `POST /v1/searches` has the value of each field.
_PATHS: dict[str, tuple[str, ...]] = {
    "dataset": ("dataset",),
    "trials": ("budget", "trials"),
    "minutes": ("budget", "seconds"),
    "strategy": ("strategy",),
    "metric": ("metric",),
    "cost": ("cost",),
    "parallelism": ("parallelism",),
    "seed": ("seed",),
    "name": ("name",),
    "parameters": ("bounds", "parameters"),
    "flops": ("bounds", "flops"),
    "latency": ("bounds", "latency"),
    "epochs": ("training", "epochs"),
    "batch_size": ("training", "batch_size"),
    "optimiser": ("training", "optimiser"),
    "learning_rate": ("training", "learning_rate"),
    "augmentation": ("training", "augmentation"),
    "ensemble": ("training", "ensemble"),
    "class_weights": ("training", "class_weights"),
}
_TEXTS = frozenset(
    {"dataset", "name", "strategy", "metric", "cost", "optimiser", "augmentation", "class_weights"}
)
#: The unit of a field in units of the body, and its name.
_UNITS = {"minutes": (60.0, "minutes"), "latency": (0.001, "milliseconds")}
_MODELS: dict[str, type[BaseModel]] = {"minutes": Budget, "latency": Bounds}
#: Fields that share a row with another: their messages stand under both and name the field.
_LABELS = {
    "trials": "Trials", "parallelism": "Trials at once", "seed": "Seed", "flops": "FLOPs",
    "parameters": "Parameters", "epochs": "Epochs of a trial", "batch_size": "Batch size",
    "learning_rate": "Learning rate",
}  # fmt: skip
#: Texts that the command takes for granted.
_USUAL = {"strategy": "bayesian", "parallelism": "1", "seed": "0", "augmentation": "auto"}
_DEFAULTS = {"trials": "12", **_USUAL}
#: The option of `netmorph search` for each field; those without one need the request.
_OPTIONS = {
    "dataset": "--dataset", "trials": "--trials", "minutes": "--minutes",
    "strategy": "--strategy", "cost": "--cost", "parallelism": "--parallelism", "seed": "--seed",
    "name": "--name", "parameters": "--max-parameters", "flops": "--max-flops",
    "latency": "--max-latency", "ensemble": "--ensemble",
    "metric": "--metric", "class_weights": "--class-weights",
}  # fmt: skip
#: Words of the validation and those of the form, in the order in which they are replaced.
_WORDS = {
    "Input should be ": "expected ", "String should have ": "expected ",
    "expected greater than or equal to": "expected at least",
    "expected less than or equal to": "expected at most",
    "expected greater than": "expected a number greater than",
    "expected less than": "expected a number less than",
    "a valid number, unable to parse string as a number": "a number",
}  # fmt: skip
_LONGEST_LINE = 42  # characters of a command beside the form, and on a narrow screen
_CLONE_OPTIONS = ("name", "seed", "trials", "minutes")


async def get_fields(request: Request) -> Fields:
    """The texts that the form has sent."""
    sent = await request.form()
    return {name: str(sent.get(name, "")).strip() for name in (*_PATHS, "like")}


def get_asked(request: Request) -> Fields:
    """The texts that the query of an address has."""
    sent = request.query_params
    return {name: sent.get(name, "")[:200].strip() for name in (*_PATHS, "like")}


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
    fields = _DEFAULTS | {"dataset": dataset or f"builtin:{min(BUILTINS)}"}
    if like is not None:
        fields = _fields_of(searches.get(session, visitor.caller, like))
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
    """Create a search and show it; errors are shown beside their fields, which keep their text."""
    state = request.app.state
    try:
        with unit_of_work(state.sessions) as session:
            body = SearchIn.model_validate(_body(fields, _liked(session, visitor.caller, fields)))
        chosen = dataset_for(state.sessions, storage, visitor.caller, body.dataset)
        with unit_of_work(state.sessions, state.controller.wake) as session:
            most = state.settings.owner_searches
            search = new_searches.create(session, visitor.caller, body, chosen, most_live=most)
    except ValidationError as error:
        return _again(request, visitor, fields, _by_field(error))
    except (InvalidInput, QuotaExceeded) as error:
        field = str(error).partition(":")[0]
        known = field if field in fields else "form"
        return _again(request, visitor, fields, {known: str(error)})
    return RedirectResponse(f"/searches/{search.id}", HTTPStatus.SEE_OTHER)


@router.get("/searches")
def submission_address(visitor: VisitorDep) -> RedirectResponse:
    """The address that the form sends to leads to all searches."""
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _again(request: Request, visitor: Visitor, fields: Fields, errors: Fields) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    with unit_of_work(request.app.state.sessions) as session:
        return _show(request, visitor, session, fields, errors, status)


def _show(
    request: Request,
    visitor: Visitor,
    session: Session,
    fields: Fields,
    errors: Fields | None = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    uploaded = [one for one in datasets.listing(session, visitor.caller).items if not one.builtin]
    shown = {name: "" for name in (*_PATHS, "like")} | fields
    listed = {f"builtin:{name}" for name in BUILTINS} | {str(one.id) for one in uploaded}
    kept = "" if shown["dataset"] in listed else _name_of_data(session, visitor.caller, shown)
    return page(
        request,
        "submit.html",
        status,
        builtins=sorted(BUILTINS),
        uploaded=uploaded,
        kept=kept,
        strategies={name: _first_line(STRATEGIES[name]) for name in sorted(STRATEGIES)},
        costs=list(Cost),
        metrics={one.kind: one.name for kind in TASKS for one in TASKS[kind].metrics},
        optimisers=list(Optimiser),
        augmentations=get_args(Augmentation),
        values=shown,
        errors=errors or {},
        **_commands(request, session, visitor.caller, shown),
    )


def _name_of_data(session: Session, caller: Caller, fields: Fields) -> str:
    """The name of a data set that the form does not list, such as that of a shared search."""
    liked = _liked(session, caller, fields)
    is_its = liked is not None and str(liked.dataset.id) == fields["dataset"]
    return liked.dataset.name if liked is not None and is_its else fields["dataset"]


def _first_line(kind: type) -> str:
    """What a strategy does, in a sentence."""
    return (kind.__doc__ or "").strip().partition("\n")[0].replace("`", "")


# --- the form and the body --------------------------------------------------------------------


def _fields_of(search: SearchOut) -> Fields:
    """The form for the same search again."""
    body = request_of(search)
    fields = {"like": str(search.id)}
    for name, path in _PATHS.items():
        value: Any = body
        for part in path:
            value = (value or {}).get(part)
        unit = _UNITS.get(name, (1.0, ""))[0]
        scaled = f"{value / unit:.6g}" if name in _UNITS and value is not None else value
        fields[name] = "" if scaled is None else str(scaled)
    return fields


def request_of(search: SearchOut) -> dict[str, Any]:
    """The body of `POST /v1/searches` that requests the same search again, without its name."""
    names = set(SearchConfig.model_fields) & set(SearchOut.model_fields)
    body = search.model_dump(mode="json", include=names, exclude_none=True)
    chosen, usual = TASKS[search.task](search.metric).chosen, TASKS[search.task]().chosen
    metric = {} if chosen is usual else {"metric": chosen.kind}
    return (
        {k: v for k, v in body.items() if k != "metric"}
        | metric
        | {"dataset": str(search.dataset.id)}
    )


def _liked(session: Session, caller: Caller, fields: Fields) -> SearchOut | None:
    """The search whose settings the form started with, if any."""
    return searches.get(session, caller, _id(fields["like"])) if fields.get("like") else None


def _body(fields: Fields, liked: SearchOut | None) -> dict[str, Any]:
    """The form as the body of `POST /v1/searches`; text that is no number stays as it is."""
    body = {} if liked is None else request_of(liked)
    body.setdefault("budget", {})
    for name, path in _PATHS.items():
        _put(body, path, _value(name, fields[name]))
    return body


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(f"form: found {text!r}; expected the id of a search") from None


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value where the path leads; None takes away what is there."""
    *above, last = path
    for part in above:
        if value is None and part not in body:
            return
        body = body.setdefault(part, {})
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value


def _value(name: str, text: str) -> Any:
    if not text or (name == "augmentation" and text == _USUAL[name]):
        return None
    if name in _TEXTS:
        return text
    value = number(text)
    return value * _UNITS[name][0] if name in _UNITS and not isinstance(value, str) else value


def number(text: str) -> int | float | str:
    """The number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _by_field(error: ValidationError) -> Fields:
    """The first message for each field of the form."""
    fields = {path: name for name, path in _PATHS.items()}
    messages: Fields = {}
    for one in error.errors():
        location = tuple(str(part) for part in one["loc"])
        field = fields.get(location[:2]) or fields.get(location[:1]) or "form"
        if location == ("budget",):
            field = "trials"
        messages.setdefault(field, _message(field, location, one["msg"]))
    return messages


def _message(field: str, location: tuple[str, ...], message: str) -> str:
    """What is wrong, in the words and units of the form."""
    if location == ("budget",):
        return "give a number of trials, or minutes, or both"
    if field in _UNITS:
        return range_of(field)
    words = in_words(message)
    if field == "form":
        return f"{': '.join(location)}: {words}"
    return f"{_LABELS[field]}: {words}" if field in _LABELS else words


def in_words(message: str) -> str:
    """A message of the validation in the words of forms."""
    words = message.removeprefix("Value error, ")
    for theirs, ours in _WORDS.items():
        words = words.replace(theirs, ours)
    return "expected a whole number" if words.startswith("expected a valid integer") else words


def range_of(field: str) -> str:
    """The values that a field with a unit of its own may have."""
    least, most = _limit(field, "ge"), _limit(field, "le")
    return f"expected {_UNITS[field][1]} from {least:.2g} to {most:,.0f}"


def _limit(field: str, name: str) -> float:
    """The least ("ge") or the largest ("le") value of a field in its unit."""
    known = _MODELS[field].model_fields[_PATHS[field][-1]].metadata
    limit: float = next(getattr(one, name) for one in known if hasattr(one, name))
    return limit / _UNITS[field][0]


# --- command and request -----------------------------------------------------------------------


def _commands(request: Request, session: Session, caller: Caller, fields: Fields) -> dict[str, Any]:
    """The command, where it has all options that are needed, and the request."""
    liked = _liked(session, caller, fields)
    service = f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"
    command = _command(fields) if liked is None else _clone_command(fields, _fields_of(liked))
    return {"command": command, "curl": _curl(service, _body(fields, liked))}


def _command(fields: Fields) -> str | None:
    """`netmorph search` with the same settings; None where it has no option for one of them."""
    given = {name: text for name, text in fields.items() if text and text != _USUAL.get(name)}
    if set(given) - set(_OPTIONS):
        return None
    return _in_lines("netmorph search", _options(given, tuple(_OPTIONS)))


def _clone_command(fields: Fields, liked: Fields) -> str | None:
    """`netmorph clone` with the same changes; None where it has no option for one of them."""
    changed = {name for name in _PATHS if fields[name] != liked[name]}
    if changed - set(_CLONE_OPTIONS):
        return None
    if changed & {"trials", "minutes"}:  # a new budget replaces all limits of the old one
        changed |= {"trials", "minutes"}
    given = {name: fields[name] for name in changed if fields[name]}
    return _in_lines(f"netmorph clone {fields['like']}", _options(given, _CLONE_OPTIONS))


def _options(given: Fields, names: tuple[str, ...]) -> list[str]:
    return [shlex.join([_OPTIONS[name], given[name]]) for name in names if name in given]


def _in_lines(command: str, options: list[str]) -> str:
    """A command on one line, or on one for each option where that would be long."""
    line = " ".join([command, *options])
    return line if len(line) <= _LONGEST_LINE else " \\\n  ".join([command, *options])


def _curl(service: str, body: dict[str, Any]) -> str:
    data = shlex.quote(json.dumps(body, indent=1, ensure_ascii=False))
    return (
        f"curl {service}/v1/searches \\\n"
        ' -H "Authorization: Bearer $NETMORPH_KEY" \\\n'
        f" -H 'Content-Type: application/json' \\\n -d {data}"
    )
