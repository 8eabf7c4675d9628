"""The configuration of a search."""

from uuid import UUID

from pydantic import Field

from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.fields import Finite
from core.protocol.contracts.message import Config
from core.protocol.contracts.training import Training
from core.protocol.explained_enum import ExplainedEnum


class Cost(ExplainedEnum):
    """A cost that a search can minimise alongside the metric; the result is a Pareto front."""

    PARAMETERS = "parameters", "those of the network"
    FLOPS = "flops", "of one example, forward"
    LATENCY = "latency", "seconds for one example, as the workers measure it"


class SearchConfig(Config):
    """Everything that determines a search, beside its data set."""

    task: str = Field(
        default="image-classification",
        max_length=64,
        description="task type, such as `image-classification` or `regression`",
    )
    metric: str | None = Field(
        default=None,
        max_length=64,
        description="kind of the metric to optimise, such as `accuracy`; null: the task type's "
        "default",
    )
    strategy: str = Field(
        default="bayesian",
        max_length=64,
        description="how to search, such as `bayesian` or `random`",
    )
    strategy_options: dict[str, Finite | str | bool] = Field(
        default_factory=dict,
        max_length=32,
        description="options of the strategy by name; those left out have their defaults",
    )
    cost: Cost | None = Field(
        default=None, description="what to minimise alongside the metric; null: the metric alone"
    )
    budget: Budget = Field(description="what the search may spend")
    parallelism: int = Field(
        default=1, ge=1, le=1024, strict=True, description="most trials in flight at a time"
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        strict=True,
        description="seed of all random choices of the search",
    )
    training: Training = Field(default=Training(), description="how trials are trained")
    bounds: Bounds | None = Field(
        default=None,
        description="largest architecture that the search may suggest; omitted fields are "
        "chosen for the data and the budget",
    )
    root: UUID | None = Field(
        default=None,
        description="id of an uploaded network to start from; null: chosen for the data",
    )
    keep_accuracy: bool | None = Field(
        default=None,
        description="whether to look for less `cost` (by default parameters) at the accuracy of "
        "the root, within noise; null: no",
    )
    int8: bool | None = Field(
        default=None, description="whether the export also has an ONNX file of eight bits; null: no"
    )
