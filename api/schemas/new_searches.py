"""Searches to create or to preview."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from api.priorities import Priority
from api.schemas.bodies import Out
from api.schemas.fields import Flops, Layers, Parameters
from api.schemas.texts import Name, storable
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import SearchConfig


class SearchIn(SearchConfig):
    """`POST /v1/searches`: the configuration of a search and the data set it is for."""

    dataset: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(storable)] = Field(
        description="id or name of a data set, or the name of a built-in one"
    )
    name: Name | None = Field(
        default=None, description="name of the search; null: one is made from the data set's"
    )
    name_after: UUID | None = Field(
        default=None,
        description="id of a search that this one repeats: without a `name` it gets the name of "
        "that search, with a number where you have one of that name, such as `pets (2)`",
    )
    priority: Priority = Field(
        default=Priority.NORMAL,
        description="when its waiting trials are leased; only an admin may set `high` (403)",
    )


class RootOut(Out):
    """An architecture that a search would start from."""

    layers: Layers
    parameters: Parameters
    flops: Flops
    seconds: float = Field(description="expected seconds of its training on one usual thread")


class SearchPreview(Out):
    """What a search would be."""

    dataset_id: UUID = Field(description="id of the data set that the search would use")
    task: str = Field(description="task type, such as `image-classification`")
    bounds: Bounds = Field(
        description="largest architecture that it may suggest, as given or chosen"
    )
    roots: list[RootOut] = Field(description="architectures that it would start from")
    trial_seconds: float = Field(description="expected seconds of a trial after the roots")
    workers: int = Field(description="live workers that take trials: they neither drain nor rest")
