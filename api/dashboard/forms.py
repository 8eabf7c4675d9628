"""The forms of the pages: new search, pause, resume, stop, delete, upload of a data set."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from api.dashboard.pages import show_datasets, show_searches
from api.dashboard.rendering import Handler, PageRoute
from api.dashboard.visitors import SenderDep, Visitor, get_visitor
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.edge.uploads import checked_first
from api.imports import dataset_for, import_file
from api.schemas import ImageSide, Name, SearchIn, SplitSeed
from api.store import budgets, new_searches, searches
from api.store.errors import QuotaExceeded
from core.data.formats import ReadOptions
from core.errors import InvalidInput, NetmorphError
from core.protocol.contracts import Budget

router = APIRouter(route_class=PageRoute)


class UploadRoute(PageRoute):
    """A page route that checks the visitor before it reads the body."""

    def plain_handler(self) -> Handler:
        """The usual handler, behind the check."""
        return checked_first(super().plain_handler(), lambda request: get_visitor(request).caller)


uploads = APIRouter(route_class=UploadRoute)

Text = Annotated[str, Form(max_length=200)]
_DATASET_NAME = TypeAdapter[str](Name)
_IMAGE_SIDE = TypeAdapter[int | None](ImageSide | None)
_SPLIT_SEED = TypeAdapter[int | None](SplitSeed | None)


#: The limits of a budget in minutes.
_MINUTES = tuple(
    getattr(limit, name) / 60
    for name in ("ge", "le")
    for limit in Budget.model_fields["seconds"].metadata
    if hasattr(limit, name)
)
#: Fields that share a row with another: their messages stand under both and name the field.
_LABELS = {"trials": "Trials", "parallelism": "Trials at once", "seed": "Seed"}


@router.post("/searches")
def submit_search(
    request: Request,
    visitor: SenderDep,
    storage: StorageDep,
    dataset: Text = "",
    name: Text = "",
    strategy: Text = "bayesian",
    cost: Text = "",
    trials: Text = "",
    minutes: Text = "",
    parallelism: Text = "1",
    seed: Text = "0",
    ensemble: Text = "",
) -> Response:
    """Create a search and show it; errors are shown beside their fields, which keep their text."""
    fields = {
        "dataset": dataset, "name": name, "strategy": strategy, "cost": cost,
        "trials": trials, "minutes": minutes, "parallelism": parallelism, "seed": seed,
        "ensemble": ensemble,
    }  # fmt: skip
    state = request.app.state
    try:
        body = SearchIn.model_validate(_body(fields))
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


def _again(
    request: Request, visitor: Visitor, fields: dict[str, str], errors: dict[str, str]
) -> Response:
    with unit_of_work(request.app.state.sessions) as session:
        return show_searches(
            request, visitor, session, values=fields, errors=errors,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )  # fmt: skip


def _body(fields: dict[str, str]) -> dict[str, Any]:
    """The form as the body of `POST /v1/searches`; text that is no number stays as it is."""
    budget: dict[str, Any] = {}
    if fields["trials"].strip():
        budget["trials"] = _number(fields["trials"])
    if fields["minutes"].strip():
        minutes = _number(fields["minutes"])
        budget["seconds"] = minutes * 60 if isinstance(minutes, int | float) else minutes
    return {
        "dataset": fields["dataset"],
        "name": fields["name"].strip() or None,
        "strategy": fields["strategy"],
        "cost": fields["cost"] or None,
        "budget": budget,
        "parallelism": _number(fields["parallelism"]),
        "seed": _number(fields["seed"]),
        "training": {"ensemble": _number(fields["ensemble"])} if fields["ensemble"].strip() else {},
    }


def _number(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _by_field(error: ValidationError) -> dict[str, str]:
    """The first message for each field of the form."""
    names: dict[tuple[str, ...], str] = {
        ("budget", "trials"): "trials",
        ("budget", "seconds"): "minutes",
        ("training", "ensemble"): "ensemble",
    }
    messages: dict[str, str] = {}
    for one in error.errors():
        location = tuple(str(part) for part in one["loc"])
        field = "trials" if location == ("budget",) else names.get(location[:2], location[0])
        messages.setdefault(field, _message(field, location, one["msg"]))
    return messages


def _message(field: str, location: tuple[str, ...], message: str) -> str:
    """What is wrong, in the words and units of the form."""
    if location == ("budget",):
        return "give a number of trials, or minutes, or both"
    if field == "minutes":
        return f"expected minutes from {_MINUTES[0]:.2g} to {_MINUTES[1]:,.0f}"
    words = message.removeprefix("Value error, ").replace("Input should be ", "expected ")
    for comparison in ("greater", "less"):
        words = words.replace(f"expected {comparison}", f"expected a number {comparison}")
    return f"{_LABELS[field]}: {words}" if field in _LABELS else words


@router.post("/searches/{search_id}/{action}")
def act(
    search_id: UUID,
    action: Literal["pause", "resume", "finish", "stop", "delete"],
    visitor: SenderDep,
    session: SessionDep,
) -> Response:
    """Change the state of a search, then show it; after a deletion, show all searches."""
    if action == "delete":
        searches.remove(session, visitor.caller, search_id)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    steps = {
        "pause": searches.pause,
        "resume": searches.resume,
        "finish": budgets.finish,
        "stop": searches.stop,
    }
    steps[action](session, visitor.caller, search_id)
    return RedirectResponse(f"/searches/{search_id}", HTTPStatus.SEE_OTHER)


@uploads.post("/ui/datasets")
def upload(
    request: Request,
    visitor: SenderDep,
    storage: StorageDep,
    file: Annotated[UploadFile, File()],
    name: Text = "",
    layout: Text = "",
    image_side: Text = "",
    target: Text = "",
    task: Text = "",
    group: Text = "",
    time: Text = "",
    split_seed: Text = "",
) -> Response:
    """Import an uploaded file as a data set, and show how it was understood."""
    maker = request.app.state.sessions
    fields = {
        "name": name,
        "layout": layout,
        "image_side": image_side,
        "target": target,
        "task": task,
        "group": group,
        "time": time,
        "split_seed": split_seed,
    }
    try:
        checked = _DATASET_NAME.validate_python(name)
        options = ReadOptions(
            layout=layout or None,
            image_side=_IMAGE_SIDE.validate_python(image_side.strip() or None),
            target=target.strip() or None,
            task=task or None,
            group=group.strip() or None,
            time=time.strip() or None,
            split_seed=_SPLIT_SEED.validate_python(split_seed.strip() or None),
        )
        made = import_file(maker, storage, visitor.caller, checked, file.file, options)
    except (ValidationError, NetmorphError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        with unit_of_work(maker) as session:
            return show_datasets(
                request, visitor, session, values=fields, error=reason,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )  # fmt: skip
    return RedirectResponse(f"/data-sets/{made.id}", HTTPStatus.SEE_OTHER)


router.include_router(uploads)
