"""Networks that a search can start from: upload, list, delete."""

import os
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic import Json

from api.db import unit_of_work
from api.edge.dependencies import CallerDep, Cursor, Limit, SessionDep, StorageDep
from api.schemas import Name, NetworkOut, NetworkPage
from api.store import networks
from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.given_network import MOST_LAYERS, check_limits, read_weights
from core.graph.weights import save

router = APIRouter(prefix="/v1/networks", tags=["networks"])


@router.post("", status_code=201)
def upload_network(
    request: Request,
    caller: CallerDep,
    storage: StorageDep,
    name: Annotated[Name, Form()],
    architecture: Annotated[Json[Any], Form(description="an architecture as JSON")],
    weights: Annotated[UploadFile | None, File(description="a safetensors file")] = None,
) -> NetworkOut:
    """Upload a network as a multipart form with the fields `name`, `architecture`, `weights`.

    Without `weights` a search starts from the architecture with random weights. The arrays in the
    file are named "<node id>.<parameter>". They are for examples as the data set stores them: the
    only reader of the input is a batch norm with the mean and the variance by which the network's
    inputs are prepared.
    """
    checked = _architecture(architecture)
    blob = None
    if weights is not None:
        size = weights.file.seek(0, os.SEEK_END)
        weights.file.seek(0)
        blob = storage.put(
            "weights", save(read_weights(weights.file, size, checked)), "safetensors"
        )
    with unit_of_work(request.app.state.sessions) as session:
        return networks.add(session, caller, name=name, architecture=checked, weights=blob)


def _architecture(data: Any) -> Architecture:
    """The architecture of the JSON; raises InvalidArchitecture where it is none, or too large."""
    nodes = data.get("nodes") if isinstance(data, dict) else None
    if isinstance(nodes, list) and len(nodes) > MOST_LAYERS:
        raise InvalidArchitecture(
            f"the network has {len(nodes)} layers; expected at most {MOST_LAYERS}"
        )
    architecture = Architecture.from_json(data)
    check_limits(architecture)
    return architecture


@router.get("")
def list_networks(
    caller: CallerDep, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> NetworkPage:
    """List your networks, the newest first."""
    return networks.listing(session, caller, limit=limit, cursor=cursor)


@router.get("/{network_id}")
def get_network(network_id: UUID, caller: CallerDep, session: SessionDep) -> NetworkOut:
    """Get a network."""
    return networks.get(session, caller, network_id)


@router.delete("/{network_id}", status_code=204)
def delete_network(network_id: UUID, caller: CallerDep, session: SessionDep) -> None:
    """Delete a network that no search starts from."""
    networks.remove(session, caller, network_id)
