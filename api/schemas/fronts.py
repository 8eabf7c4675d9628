"""Pareto fronts of searches."""

from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import Flops, Latency, Parameters, Value, ValueStd
from core.protocol.contracts.search_config import Cost


class FrontPoint(Out):
    """A trial that no other beats in both value and cost."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    value: Value
    value_std: ValueStd
    parameters: Parameters
    flops: Flops
    latency: Latency


class FrontOut(Out):
    """The Pareto front of a search."""

    metric: str = Field(description="name of the metric that is optimised")
    cost: Cost = Field(description="field of the items that is minimised")
    items: list[FrontPoint] = Field(
        description="trials of the front; the cheapest, and so the worst, first"
    )
    root: FrontPoint | None = Field(
        description="the trial that trained the network that the user gave as the root, to compare "
        "with; it may be beaten by the front. Null without such a network, or without its value",
    )
