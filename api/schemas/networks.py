"""Uploaded networks."""

from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import CreatedAt, Flops, Layers, NextCursor, Parameters


class NetworkOut(Out):
    """An uploaded network that a search can start from."""

    id: UUID = Field(description="id of the network")
    name: str = Field(description="its name")
    input_shape: list[int] = Field(description="shape of one example, without the batch")
    outputs: int = Field(
        description="numbers that it computes for one example, such as one for each class"
    )
    layers: Layers
    parameters: Parameters
    flops: Flops
    bytes: int | None = Field(
        description="size of its weights in bytes; null: they start at random"
    )
    created_at: CreatedAt


class NetworkPage(Out):
    """One page of a list of networks."""

    items: list[NetworkOut] = Field(description="networks of this page")
    next_cursor: NextCursor
