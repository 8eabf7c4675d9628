"""The bounds of a search: the architectures that it may suggest."""

from typing import Annotated

from pydantic import Field

from core.protocol.contracts.message import Config

#: Kinds of an open set: names that its registry knows.
Kinds = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
    Field(min_length=1, max_length=64),
]


class Bounds(Config):
    """The architectures that a search may suggest: the largest, and of what they are made."""

    layers: int = Field(default=120, ge=4, le=500, description="nodes of the graph")
    width: int = Field(default=512, ge=8, le=8192, description="filters or units of one layer")
    parameters: int = Field(
        default=5_000_000, ge=100, le=2_000_000_000, description="parameters of the network"
    )
    flops: int | None = Field(
        default=None,
        ge=1_000,
        description="FLOPs of one example, forward: two for each multiply-add; null: no bound",
    )
    memory: int | None = Field(
        default=None, ge=1_000_000, description="bytes while training one batch; null: no bound"
    )
    latency: float | None = Field(
        default=None, ge=1e-6, le=60, description="seconds for one example; null: no bound"
    )
    morphisms: Kinds | None = Field(
        default=None,
        description="kinds of changes by which a search may make one network from another; "
        "null: all",
    )
    without_layers: Kinds | None = Field(
        default=None, description="kinds of layers that no network may have; null: all may be used"
    )
