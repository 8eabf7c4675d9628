"""Data sets: what they may be, upload, import a built-in one, list."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Path, Request, Response, UploadFile
from fastapi.routing import APIRoute
from pydantic import Field

from api.edge.authentication import user_of
from api.edge.dependencies import (
    CallerDep,
    Cursor,
    DatasetId,
    Limit,
    RespondAsync,
    SessionDep,
    StorageDep,
)
from api.edge.uploads import checked_first, outliving
from api.imports import Progress, import_builtin, import_file, intake_rules, require_builtin
from api.operation_states import OperationKind
from api.routes.operations import ACCEPTED, accepted
from api.schemas.datasets import DatasetOut, DatasetPage, ImageSide, IntakeOut, SplitSeed
from api.schemas.texts import Name
from api.store import datasets
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.tables.table import MAX_COLUMNS


class UploadRoute(APIRoute):
    """A route that checks the caller before it reads a body, where it has one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, behind the check."""
        handle = super().get_route_handler()
        return handle if self.body_field is None else checked_first(handle, user_of)


router = APIRouter(prefix="/v1/datasets", tags=["data sets"], route_class=UploadRoute)

BuiltinName = Annotated[str, Path(description="name of a built-in data set, such as `digits`")]
ColumnName = Annotated[str, Field(max_length=128)]

_LAYOUT = (
    "axes of the examples, where the file does not name them: `NHW`, `NHWC` or `NCHW` for images, "
    "`NL`, `NLC` or `NCL` for signals, `NF` for vectors"
)
_IMAGE_SIDE = "largest side of images from files, in pixels"
_TARGET = (
    "of a table: name of the column with the labels, by default the one named target, label, class "
    "or y; several names, as in `a,b,c`, are columns of 0 and 1, one for each label, or of numbers "
    "to predict"
)
_TEXT = "of a table: name of a column of texts, which is then the only one to learn from"
_CATEGORY = "of a table: name of a column whose numbers are categories; may be repeated"
_LEAVE_OUT = "of a table: name of a column that is not learned from; may be repeated"
_TASK = (
    "what the labels are for: `image-classification` (of images, signals, texts, vectors and "
    "rows), `multi-label` or `regression`; without it, labels with fractions, and whole ones that "
    "hardly repeat, are numbers to predict, rows of 0 and 1 that have no single 1 are several "
    "labels of an example, all others name classes"
)
_GROUP = (
    "of a table: name of a column of groups: no group is in two splits; of images by class, "
    "`file-prefix` is the text before the first _, - or space of a file's name"
)
_TIME = (
    "of a table: name of a column of times: the latest rows are the test split, and each search "
    "validates on the latest of the others"
)
_MERGE_LABELS = (
    "whether labels that differ only in capital letters or blanks are one: each is then named as "
    "it is written most often"
)
_SPLIT_SEED = "seed by which the test split is set aside, where the files have none"


@router.post("", status_code=201, response_model=DatasetOut, responses=ACCEPTED)
def upload_dataset(
    request: Request,
    caller: CallerDep,
    storage: StorageDep,
    respond_async: RespondAsync,
    name: Annotated[Name, Form(description="name of the data set")],
    file: Annotated[UploadFile, File(description="a table, npz file, or zip of a folder")],
    layout: Annotated[str, Form(max_length=8, description=_LAYOUT)] = "",
    image_side: Annotated[ImageSide | None, Form(description=_IMAGE_SIDE)] = None,
    target: Annotated[str, Form(max_length=4096, description=_TARGET)] = "",
    text: Annotated[ColumnName, Form(description=_TEXT)] = "",
    category: Annotated[list[ColumnName], Form(max_length=MAX_COLUMNS, description=_CATEGORY)] = [],  # noqa: B006
    leave_out: Annotated[
        list[ColumnName], Form(max_length=MAX_COLUMNS, description=_LEAVE_OUT)
    ] = [],  # noqa: B006
    task: Annotated[str, Form(max_length=64, description=_TASK)] = "",
    group: Annotated[ColumnName, Form(description=_GROUP)] = "",
    time: Annotated[ColumnName, Form(description=_TIME)] = "",
    split_seed: Annotated[SplitSeed | None, Form(description=_SPLIT_SEED)] = None,
    merge_labels: Annotated[bool, Form(description=_MERGE_LABELS)] = False,
) -> DatasetOut | Response:
    """Upload a data set as a multipart form; the response says how it was understood.

    The file is of one of the formats that `GET /v1/datasets/intake` lists. A table is CSV, TSV,
    Parquet or JSONL, and may be beside images, whose names of files are recognised in it. Check
    `description`, above all its `warnings`, before a search. The same content again is the same
    data set; other content under the same name is its next version.

    With `Prefer: respond-async` the answer comes as soon as the file has arrived, as 202 with an
    operation that imports it: so no proxy gives up while a large file is converted. What a file is
    refused for is then the operation's `problem`.
    """
    options = ReadOptions(
        layout=layout or None,
        image_side=image_side,
        target=target or None,
        text=text or None,
        categories=tuple(category),
        leave_out=tuple(leave_out),
        task=task or None,
        group=group or None,
        time=time or None,
        split_seed=split_seed,
        merge_labels=merge_labels,
    )
    limits = ReadLimits.of_uploads(request.app.state.settings.max_upload_bytes)
    maker = request.app.state.sessions
    if not respond_async:
        return import_file(maker, storage, caller, name, file.file, options, limits)
    content = outliving(file, request.state.held)

    def run(progress: Progress) -> UUID:
        return import_file(maker, storage, caller, name, content, options, limits, progress).id

    return accepted(request, caller, run, request.state.held, kind=OperationKind.UPLOAD, name=name)


@router.get("/intake")
def get_intake(request: Request, caller: CallerDep) -> IntakeOut:
    """Get the limits, formats and rules of uploads."""
    return intake_rules(request.app.state.settings.max_upload_bytes)


@router.post("/builtin/{name}", status_code=201, response_model=DatasetOut, responses=ACCEPTED)
def import_builtin_dataset(
    request: Request,
    name: BuiltinName,
    caller: CallerDep,
    storage: StorageDep,
    respond_async: RespondAsync,
) -> DatasetOut | Response:
    """Import a built-in data set now; otherwise the first search that names it imports it.

    With `Prefer: respond-async` the answer is 202 with an operation that imports it.
    """
    maker = request.app.state.sessions
    if not respond_async:
        return import_builtin(maker, storage, caller, name)
    require_builtin(name)

    def run(progress: Progress) -> UUID:
        return import_builtin(maker, storage, caller, name, progress).id

    with ExitStack() as held:
        held.enter_context(request.app.state.uploads.reserve(caller, 0))  # few at once here, too
        return accepted(request, caller, run, held, kind=OperationKind.BUILTIN, name=name)


@router.get("")
def list_datasets(
    caller: CallerDep, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> DatasetPage:
    """List your data sets and the built-in ones, the newest first."""
    return datasets.listing(session, caller, limit=limit, cursor=cursor)


@router.delete("/{dataset_id}", status_code=204)
def delete_dataset(dataset_id: DatasetId, caller: CallerDep, session: SessionDep) -> None:
    """Delete one version of a data set; refused (409) while searches use it."""
    datasets.remove(session, caller, dataset_id)


@router.get("/{dataset_id}")
def get_dataset(dataset_id: DatasetId, caller: CallerDep, session: SessionDep) -> DatasetOut:
    """Get a data set."""
    return datasets.get(session, caller, dataset_id)
