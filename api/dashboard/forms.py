"""Forms of pages: pause, resume, finish, stop, delete a search; upload a data set."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, ValidationError

from api.dashboard.pages import refusal, show_datasets
from api.dashboard.rendering import PageRoute
from api.dashboard.search_form import in_words
from api.dashboard.visitors import SenderDep, UploadRoute, Visitor, VisitorDep
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.edge.operations import Operations
from api.edge.preferences import prefers_async
from api.edge.uploads import outliving
from api.imports import Progress, import_file
from api.operation_states import OperationKind, OperationStatus
from api.schemas.datasets import DatasetOut, ImageSide, SplitSeed
from api.schemas.texts import Name
from api.store import budgets, operations, searches
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.errors import NetmorphError

router = APIRouter(route_class=PageRoute)
uploads = APIRouter(route_class=UploadRoute)

Text = Annotated[str, Form(max_length=200)]
ColumnNames = Annotated[str, Form(max_length=4096)]  # several labels have a column each
#: Words of the messages about what a field holds.
_OF_FIELD = {
    "layout": "layout",
    "target column": "target",
    "for the target": "target",
    "with texts": "text",
    "to take as categories": "category",
    "to leave out": "leave_out",
    "for the groups": "group",
    "for the times": "time",
    "for the task": "task",
    "for --merge-labels": "merge_labels",
}


def _given(text: object) -> object:
    """The text of a field without spaces around it; None where it is empty."""
    return (text.strip() or None) if isinstance(text, str) else text


Given = Annotated[str | None, BeforeValidator(_given)]


class _Upload(BaseModel):
    """The fields beside the file."""

    name: Name
    layout: Given
    image_side: Annotated[ImageSide | None, BeforeValidator(_given)]
    target: Given
    text: Given
    task: Given
    group: Given
    time: Given
    split_seed: Annotated[SplitSeed | None, BeforeValidator(_given)]
    merge_labels: Annotated[bool, BeforeValidator(bool)]  # a box of the form sends "yes"


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


def _entered(
    name: Text = "",
    layout: Text = "",
    image_side: Text = "",
    target: ColumnNames = "",
    text: Text = "",
    category: ColumnNames = "",
    leave_out: ColumnNames = "",
    task: Text = "",
    group: Text = "",
    time: Text = "",
    split_seed: Text = "",
    merge_labels: Text = "",
) -> dict[str, str]:
    """The fields beside the file, as they were entered."""
    return {
        "name": name,
        "layout": layout,
        "image_side": image_side,
        "target": target,
        "text": text,
        "category": category,
        "leave_out": leave_out,
        "task": task,
        "group": group,
        "time": time,
        "split_seed": split_seed,
        "merge_labels": merge_labels,
    }


EnteredDep = Annotated[dict[str, str], Depends(_entered)]


@uploads.post("/ui/datasets")
def upload(
    request: Request,
    visitor: SenderDep,
    storage: StorageDep,
    file: Annotated[UploadFile, File()],
    fields: EnteredDep,
) -> Response:
    """Import an uploaded file as a data set, and show how it was understood.

    A script of the page prefers an answer before the import, and follows its steps.
    """
    maker = request.app.state.sessions
    try:
        checked = _Upload.model_validate(fields)
        options = ReadOptions(
            **checked.model_dump(exclude={"name"}), categories=_listed(fields["category"]),
            leave_out=_listed(fields["leave_out"]),
        )  # fmt: skip
        limits = ReadLimits.of_uploads(request.app.state.settings.max_upload_bytes)
        carry_out = partial(
            import_file, maker, storage, visitor.caller, checked.name,
            options=options, limits=limits,
        )  # fmt: skip
        if prefers_async(request.headers):
            return _begin(request, visitor, checked.name, file, carry_out)
        made = carry_out(file=file.file)
    except ValidationError as error:
        errors = {str(one["loc"][0]): in_words(one["msg"]) for one in error.errors()}
    except NetmorphError as error:
        errors = dict([_refused(str(error))])
    else:
        return RedirectResponse(f"/data-sets/{made.id}", HTTPStatus.SEE_OTHER)
    with unit_of_work(maker) as session:
        return show_datasets(
            request, visitor, session, values=fields, errors=errors,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )  # fmt: skip


def _listed(text: str) -> tuple[str, ...]:
    """The names that a field lists, separated by commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _begin(
    request: Request,
    visitor: Visitor,
    name: str,
    file: UploadFile,
    carry_out: Callable[..., DatasetOut],
) -> Response:
    """Begin the import of a file, which outlives the request, and say where its step is told."""
    held = request.state.held
    content = outliving(file, held)

    def run(progress: Progress) -> UUID:
        return carry_out(file=content, progress=progress).id

    of_process: Operations = request.app.state.operations
    begun = of_process.submit(
        request, visitor.caller, run, held, kind=OperationKind.UPLOAD, name=name
    )
    return Response(None, HTTPStatus.ACCEPTED, {"Location": f"/ui/operations/{begun.id}"})


@router.get("/ui/operations/{operation_id}")
def operation_step(operation_id: UUID, visitor: VisitorDep, session: SessionDep) -> dict[str, str]:
    """What an import does now; at its end the page that it leads to, or why and where it failed."""
    one = operations.get(session, visitor.caller, operation_id)
    if one.status is OperationStatus.CANCELLED:
        return {"field": "file", "message": "The import was cancelled"}
    if one.problem is not None:
        field, message = _refused(str(one.problem["detail"]))
        return {"field": field, "message": message}
    if one.status is OperationStatus.RUNNING:
        return {"step": one.step}
    return {"page": f"/data-sets/{one.dataset_id}" if one.dataset_id else "/data-sets"}


@router.post("/ui/operations/{operation_id}/cancel")
def cancel_operation(request: Request, operation_id: UUID, visitor: SenderDep) -> Response:
    """Cancel an import, then show the data sets."""
    of_process: Operations = request.app.state.operations
    of_process.cancel(visitor.caller, operation_id)
    return RedirectResponse("/data-sets", HTTPStatus.SEE_OTHER)


def _refused(message: str) -> tuple[str, str]:
    """The field that a message of the import speaks of, else that of the file; and the message."""
    short = refusal(message)
    return next((field for words, field in _OF_FIELD.items() if words in short), "file"), short


router.include_router(uploads)
