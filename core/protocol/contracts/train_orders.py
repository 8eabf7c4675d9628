"""The order to train one trial, which is the answer to a lease."""

from uuid import UUID

from pydantic import Field

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.fields import Finite, JsonObject, Seconds
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.message import Message
from core.protocol.states import TrialKind


class Member(Message):
    """One of the networks of an ensemble, as it is at the start of the final fit."""

    architecture: JsonObject = Field(description="its architecture as canonical JSON")
    weights: BlobRef = Field(description="its weights")


class TrainOrder(Message):
    """The answer to a lease: everything a worker needs to train one trial."""

    version: int = Field(default=1, description="version of this message")
    search_id: UUID = Field(description="id of the search")
    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(
        description="number of the trial within its search; of an export that of the exported one"
    )
    kind: TrialKind = Field(default=TrialKind.SEARCH, description="purpose of the trial")
    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="fences every later report of this lease")
    lease_seconds: Seconds = Field(
        description="seconds after which the lease ends, unless a report renews it"
    )
    task: str = Field(description="task type")
    metric: str | None = Field(
        default=None, description="kind of the metric that is optimised; null: the default"
    )
    seed: int = Field(description="seed of this trial")
    architecture: JsonObject = Field(
        description="architecture as canonical JSON, after the morphisms"
    )
    parent_architecture: JsonObject | None = Field(
        default=None, description="architecture of the parent; null: it has no parent"
    )
    parent_weights: BlobRef | None = Field(
        default=None, description="weights of the parent; null: weights start at random"
    )
    raw_inputs: bool = Field(
        default=False,
        description="whether the parent is a user's network: its weights are for examples as "
        "stored, not normalised",
    )
    morphisms: tuple[JsonObject, ...] = Field(
        default=(), description="steps from the parent's architecture to this one"
    )
    dataset: BlobRef = Field(description="the data set in the storage")
    dataset_name: str = Field(description="name of the data set")
    dataset_spec: DatasetSpec = Field(description="facts about the data set")
    hyperparameters: Hyperparameters = Field(description="how the trial is trained")
    history: JsonObject = Field(
        default_factory=dict, description="of an export: facts for the model card"
    )
    fresh: bool = Field(
        default=False, description="whether weights start at random, though the parent's are there"
    )
    holdout: Finite = Field(
        default=0.25, description="final fit: share of the validation split for the comparison"
    )
    members: tuple[Member, ...] = Field(
        default=(),
        description="final fit of an ensemble: the networks that `architecture` joins, the "
        "parent's first",
    )
    checkpoint: Checkpoint | None = Field(
        default=None,
        description="checkpoint of an earlier attempt to continue from; null: there is none",
    )
    checkpoint_seconds: Seconds | None = Field(
        default=None,
        description="seconds between two checkpoints that are stored, at least; null: the "
        "controller takes none",
    )
    traceparent: str | None = Field(
        default=None,
        description="trace of the request that created the search (W3C Trace Context); null: "
        "not traced",
    )
    int8: bool = Field(
        default=False, description="whether the export also has an ONNX file of eight bits"
    )
    gathers_epochs: bool = Field(
        default=False,
        description="whether the controller takes several epochs in one report, and the last ones "
        "with the result",
    )
