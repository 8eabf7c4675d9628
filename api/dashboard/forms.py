"""Forms of pages: pause, resume, finish, stop, delete a search; upload a data set."""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from api.dashboard.pages import show_datasets
from api.dashboard.rendering import PageRoute
from api.dashboard.visitors import SenderDep, UploadRoute
from api.db import unit_of_work
from api.edge.dependencies import SessionDep, StorageDep
from api.imports import import_file
from api.schemas import ImageSide, Name, SplitSeed
from api.store import budgets, searches
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.errors import NetmorphError

router = APIRouter(route_class=PageRoute)
uploads = APIRouter(route_class=UploadRoute)

Text = Annotated[str, Form(max_length=200)]
ColumnNames = Annotated[str, Form(max_length=4096)]  # several labels have a column each
_DATASET_NAME = TypeAdapter[str](Name)
_IMAGE_SIDE = TypeAdapter[int | None](ImageSide | None)
_SPLIT_SEED = TypeAdapter[int | None](SplitSeed | None)


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
    target: ColumnNames = "",
    text: Text = "",
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
        "text": text,
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
            text=text.strip() or None,
            task=task or None,
            group=group.strip() or None,
            time=time.strip() or None,
            split_seed=_SPLIT_SEED.validate_python(split_seed.strip() or None),
        )
        limits = ReadLimits.of_uploads(request.app.state.settings.max_upload_bytes)
        made = import_file(maker, storage, visitor.caller, checked, file.file, options, limits)
    except (ValidationError, NetmorphError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        with unit_of_work(maker) as session:
            return show_datasets(
                request, visitor, session, values=fields, error=reason,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )  # fmt: skip
    return RedirectResponse(f"/data-sets/{made.id}", HTTPStatus.SEE_OTHER)


router.include_router(uploads)
