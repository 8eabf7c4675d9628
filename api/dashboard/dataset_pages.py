"""The page of one data set: how it was understood, its classes in pictures, and its uses."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import VisitorDep
from api.edge.dependencies import SessionDep, StorageDep
from api.models.datasets import Dataset
from api.pictures import samples
from api.schemas.datasets import DatasetOut
from api.store import blobs, datasets, searches
from core.data.stored_arrays import StoredArrays
from core.errors import BlobError
from core.protocol.storage import Storage

router = APIRouter(route_class=PageRoute)

PICTURED = 40  # classes whose examples are shown
_USES = 50  # searches that are listed
_EXAMPLES = 8  # in the picture of a class
_LABELS = 200_000  # that are read to find the examples of a class
_MOST_BYTES = 2**25  # of the examples that are read for a picture
_HEADERS = {"Cache-Control": "private, max-age=86400, immutable"}  # a data set never changes


@router.get("/data-sets/{dataset_id}")
def dataset_page(
    request: Request, dataset_id: UUID, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """One data set: how it was understood, and what may be wrong with it."""
    one = datasets.get(session, visitor.caller, dataset_id)
    return page(
        request,
        "dataset.html",
        one=one,
        pictured=PICTURED if _has_pictures(one) else 0,
        uses=searches.on_dataset(session, visitor.caller, dataset_id, _USES),
    )


def _has_pictures(one: DatasetOut) -> bool:
    return len(one.input_shape) == 3 and one.description is not None


@router.get("/ui/data-sets/{dataset_id}/samples/{label}.png")
def sample_picture(
    dataset_id: UUID, label: int, visitor: VisitorDep, session: SessionDep, storage: StorageDep
) -> Response:
    """The first training examples of a class as a picture; of regression those of all."""
    one = datasets.get(session, visitor.caller, dataset_id)
    if not _has_pictures(one) or not 0 <= label < max(1, min(one.classes, PICTURED)):
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no picture of this class")
    row = datasets.row(session, visitor.caller, str(dataset_id))
    try:
        content = _picture(storage, row, one, label)
    except (BlobError, OSError) as error:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the stored data set cannot be read: {error}"
        ) from error
    return Response(content, media_type="image/png", headers=_HEADERS)


def _picture(storage: Storage, row: Dataset, one: DatasetOut, label: int) -> bytes:
    assert one.description is not None
    with storage.open(blobs.reference(row.blob_key, row.blob_bytes)) as file:
        arrays = StoredArrays(file)
        indices = list(range(_EXAMPLES))
        if one.classes:
            labels = arrays.first("y_train", _LABELS)
            indices = [int(i) for i in (labels == label).nonzero()[0][:_EXAMPLES]]
        most = _MOST_BYTES // max(1, arrays.row_bytes("x_train"))
        chosen = indices[: min(most, one.train_examples)]
        if not chosen:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no small example of this class")
        examples = arrays.rows("x_train", chosen)
    return samples.strip(examples, one.description.least, one.description.greatest)
