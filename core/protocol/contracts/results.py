"""The result of a trial, and the controller's answer to it."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.fields import (
    LONGEST_PRECISION,
    LONGEST_REASON,
    MOST_GATHERED,
    MOST_MEASURES,
    Finite,
    Measures,
    Positive,
    Seconds,
)
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.message import Message
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialStatus


class TestMetrics(Message):
    """The results of the only evaluation on the test split."""

    __test__ = False  # tells pytest that this is not a test class

    metric: Finite = Field(description="metric of the task type, such as accuracy")
    std: Finite | None = Field(default=None, description="its standard error")
    loss: Finite = Field(description="loss on the test split")
    examples: int = Field(description="examples of the test split")
    measures: Measures = Field(
        default_factory=dict,
        max_length=MOST_MEASURES,
        description="further measures by name, in the unit of the user's data",
    )


class Comparison(Message):
    """The final network compared with the winner that it continues, on held-out examples."""

    examples: int = Field(description="held-out examples")
    before: Finite = Field(description="the metric of the winner's own weights")
    after: Finite | None = Field(
        description="that of the final network; null if its training failed"
    )
    exported: Literal["final", "winner"] = Field(
        description="which of the two is exported: the `final` network, or the `winner` with its "
        "own weights"
    )
    reason: str = Field(
        default="",
        max_length=LONGEST_REASON,
        description="why the winner's own weights are exported; or empty",
    )


class TrialOutcome(Message):
    """How a training ended, and what it measured."""

    status: TrialStatus = Field(description="`completed`, `stopped`, `infeasible` or `failed`")
    value: Finite | None = Field(default=None, description="the objective; larger is better")
    value_std: Finite | None = Field(
        default=None, description="standard error of the value, from the validation size"
    )
    validation_loss: Finite | None = Field(
        default=None,
        description="validation loss of the same weights as the value; for classification at "
        "the best temperature",
    )
    measures: Measures = Field(
        default_factory=dict,
        max_length=MOST_MEASURES,
        description="further measures of these weights by name, in the unit of the user's data",
    )
    value_at_rung: Finite | None = Field(
        default=None, description="value after the share `rung` of the training"
    )
    precision: str = Field(
        default="",
        max_length=LONGEST_PRECISION,
        description='how it was computed, such as "bf16 channels-last"',
    )
    reason: str = Field(
        default="", max_length=LONGEST_REASON, description="why it ended so; or empty"
    )
    retry: bool = Field(
        default=True, description="failed only: false if another attempt cannot help"
    )
    setback: bool = Field(
        default=False,
        description="failed only: storage did not work, which is no fault of the trial; no "
        "attempt is counted",
    )
    out_of_memory: bool = Field(
        default=False,
        description="infeasible only: the memory of the device did not suffice, that of another "
        "one may",
    )
    damaged: BlobRef | None = Field(
        default=None,
        description="failed only: these weights, or this data set, are missing or cannot be read",
    )
    weights: BlobRef | None = Field(
        default=None, description="stored weights; null: there are none"
    )
    weights_proof: str | None = Field(
        default=None,
        max_length=64,
        description="proof that the worker has the bytes of the weights, which is needed where "
        "another user has them",
    )
    epochs: int = Field(default=0, description="epochs that it was trained for")
    best_epoch: int = Field(default=0, description="epoch that the value belongs to")
    seconds: Seconds = Field(default=0.0, description="seconds of training")
    samples_per_second: Finite | None = Field(
        default=None, description="training examples per second"
    )
    latency: Positive | None = Field(
        default=None, description="seconds for one example: median of batches of one"
    )
    parameters: int | None = Field(default=None, description="parameters of the network")
    test: TestMetrics | None = Field(
        default=None, description="results on the test split, of a final fit or an export"
    )
    export: BlobRef | None = Field(default=None, description="exported model, of the same")
    export_proof: str | None = Field(
        default=None,
        max_length=64,
        description="proof that the worker has the bytes of the export, as of the weights",
    )
    comparison: Comparison | None = Field(
        default=None, description="final fit only: comparison with the winner"
    )


class TrialResult(TrialOutcome):
    """A worker reports how its trial ended; accepted exactly once."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
    next: LeaseRequest | None = Field(
        default=None, description="asks for another trial in the same call; null: it does not"
    )
    last_epochs: tuple[EpochMetrics, ...] = Field(
        default=(),
        max_length=MOST_GATHERED,
        description="the last epochs of the training, which no other report has",
    )


class ResultAnswer(Message):
    """Whether a result was accepted."""

    accepted: bool = Field(
        description="false: a duplicate, or too late; the worker drops it either way"
    )
    reason: str = Field(default="", description="why it was not accepted; or empty")
    next: TrainOrder | None = Field(
        default=None,
        description="next order; null: none waits, it was not asked for, or ask separately",
    )
    rest_seconds: Seconds = Field(
        default=0.0,
        description="seconds for which this worker gets no trials, as its own storage does not "
        "work; see `reason`",
    )
