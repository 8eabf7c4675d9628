"""Networks that a search can start from: upload, list, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic import Json

from api.edge.dependencies import CallerDep, Cursor, Limit, NetworkId, SessionDep, StorageDep
from api.imports import import_network
from api.schemas.networks import NetworkOut, NetworkPage
from api.schemas.texts import Name
from api.store import networks

router = APIRouter(prefix="/v1/networks", tags=["networks"])


@router.post("", status_code=201)
def upload_network(
    request: Request,
    caller: CallerDep,
    storage: StorageDep,
    name: Annotated[Name, Form(description="name of the network")],
    architecture: Annotated[Json[Any], Form(description="an architecture as JSON")],
    weights: Annotated[UploadFile | None, File(description="a safetensors file")] = None,
) -> NetworkOut:
    """Upload a network as a multipart form with the fields `name`, `architecture`, `weights`.

    Without `weights` a search starts from the architecture with random weights. The arrays in the
    file are named "<node id>.<parameter>". They are for examples as the data set stores them: the
    only reader of the input is a batch norm with the mean and the variance by which the network's
    inputs are prepared.
    """
    return import_network(
        request.app.state.sessions,
        storage,
        caller,
        name,
        architecture,
        None if weights is None else weights.file,
    )


@router.get("")
def list_networks(
    caller: CallerDep, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> NetworkPage:
    """List your networks, the newest first."""
    return networks.listing(session, caller, limit=limit, cursor=cursor)


@router.get("/{network_id}")
def get_network(network_id: NetworkId, caller: CallerDep, session: SessionDep) -> NetworkOut:
    """Get a network."""
    return networks.get(session, caller, network_id)


@router.delete("/{network_id}", status_code=204)
def delete_network(network_id: NetworkId, caller: CallerDep, session: SessionDep) -> None:
    """Delete a network that no search starts from."""
    networks.remove(session, caller, network_id)
